# PostgreSQL, reached from inside the network over TLS only. AWS makes the password and turns it over; it is in no state.

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-database"
  description = "PostgreSQL, from inside the network"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  security_group_id = aws_security_group.this.id
  description       = "PostgreSQL from inside the network"
  cidr_ipv4         = var.cidr
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_db_parameter_group" "this" {
  name   = var.name
  family = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_instance" "this" {
  identifier                    = var.name
  engine                        = "postgres"
  engine_version                = "17"
  instance_class                = var.size
  allocated_storage             = var.storage_gib
  storage_type                  = "gp3"
  storage_encrypted             = true
  kms_key_id                    = var.key_arn
  username                      = "fawkes"
  port                          = 5432
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.key_arn
  multi_az                      = true
  publicly_accessible           = false
  db_subnet_group_name          = aws_db_subnet_group.this.name
  vpc_security_group_ids        = [aws_security_group.this.id]
  parameter_group_name          = aws_db_parameter_group.this.name
  backup_retention_period       = 14
  copy_tags_to_snapshot         = true
  deletion_protection           = var.deletion_protection
  skip_final_snapshot           = !var.deletion_protection
  final_snapshot_identifier     = "${var.name}-final"
}
