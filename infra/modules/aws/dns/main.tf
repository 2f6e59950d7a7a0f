resource "aws_route53_zone" "this" {
  name    = var.zone
  comment = "The platform's zone"
}
