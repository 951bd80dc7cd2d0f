0DROP PROCEDURE IF EXISTS `p`;
CREATE DEFINER=`a`@`%` PROCEDURE `p`()
begin select 1; 
 end;
DELIMITER ;#
CREATE FUNCTION f() RETURNS int begin return 1; end;#
DELIMITER ;
