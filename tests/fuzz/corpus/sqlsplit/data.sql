0/*!40101 SET NAMES binary */;
/*!40014 SET FOREIGN_KEY_CHECKS=0 */;
INSERT INTO `t` (`a`,`b`) VALUES
(1,'x;\'y'),
(NULL,_binary "z");
