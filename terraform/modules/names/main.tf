# Names that services know the database by. A restored or promoted instance gets its predecessor's name by changing one
# record: nothing else needs to be told (docs/disaster-recovery.md). The cache keeps its own name, for which alone its
# certificate is good.

resource "aws_route53_zone" "private" {
  name    = var.domain
  comment = "Where services find what they need"

  vpc {
    vpc_id = var.vpc_id
  }
}

resource "aws_route53_record" "name" {
  for_each = var.names

  zone_id = aws_route53_zone.private.zone_id
  name    = "${each.key}.${var.domain}"
  type    = "CNAME"
  ttl     = 5
  records = [each.value]
}
