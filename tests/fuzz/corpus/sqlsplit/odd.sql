0-- x;
# y;
/* z; */ SET @a = 'b' /* c */ ; \! id
