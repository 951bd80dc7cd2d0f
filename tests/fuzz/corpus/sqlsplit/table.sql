0CREATE TABLE `t` (
  `id` int NOT NULL AUTO_INCREMENT,
  `e` enum('a','b''c'),
  PRIMARY KEY (`id`),
  KEY `k` (`e`),
  CONSTRAINT `f` FOREIGN KEY (`e`) REFERENCES `a`.`b` (`c`)
) ENGINE=InnoDB;
