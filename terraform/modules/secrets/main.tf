# Every secret is random, made by AWS, and never seen by anybody: values are ephemeral here and write-only there, so
# neither plan nor state holds one. The cluster's external-secrets operator reads them; nobody else may. Whoever makes
# values elsewhere (an HSM, a vault) has the secrets created empty, and puts the values in.

ephemeral "aws_secretsmanager_random_password" "internal_token" {
  count = var.generate ? 1 : 0

  password_length     = 48
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "encryption_key" {
  count = var.generate ? 1 : 0

  password_length     = 32
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "cache_token" {
  count = var.generate ? 1 : 0

  password_length     = 64
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "database" {
  for_each = var.generate ? var.services : []

  password_length     = 40
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "internal_token" {
  name                    = "${var.name}/internal-token"
  description             = "The credential that services show each other"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_version" "internal_token" {
  count = var.generate ? 1 : 0

  secret_id                = aws_secretsmanager_secret.internal_token.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.internal_token[0].random_password
  secret_string_wo_version = var.revision
}

resource "aws_secretsmanager_secret" "encryption_key" {
  name                    = "${var.name}/encryption-key"
  description             = "Seals API secrets, second factors and signing keys in the database: lost, they are lost"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

# 32 random characters, as the base64 of 32 bytes that auth expects. It is never made anew by itself.
resource "aws_secretsmanager_secret_version" "encryption_key" {
  count = var.generate ? 1 : 0

  secret_id                = aws_secretsmanager_secret.encryption_key.id
  secret_string_wo         = base64encode(ephemeral.aws_secretsmanager_random_password.encryption_key[0].random_password)
  secret_string_wo_version = 1
}

resource "aws_secretsmanager_secret" "cache_token" {
  name                    = "${var.name}/cache-token"
  description             = "What clients of Valkey authenticate with"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_version" "cache_token" {
  count = var.generate ? 1 : 0

  secret_id                = aws_secretsmanager_secret.cache_token.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.cache_token[0].random_password
  secret_string_wo_version = var.revision
}

resource "aws_secretsmanager_secret" "database" {
  for_each = var.services

  name                    = "${var.name}/database/${each.value}"
  description             = "The password of the database role crossbook_${each.value}"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_version" "database" {
  for_each = var.generate ? var.services : []

  secret_id = aws_secretsmanager_secret.database[each.value].id
  secret_string_wo = jsonencode({
    username = "crossbook_${each.value}"
    password = ephemeral.aws_secretsmanager_random_password.database[each.value].random_password
  })
  secret_string_wo_version = var.revision
}

# Given by people: created empty, filled with `aws secretsmanager put-secret-value`.
resource "aws_secretsmanager_secret" "given" {
  for_each = {
    "sentry-dsn"    = "Where errors are reported to"
    "slack-webhook" = "Where Alertmanager posts alerts to"
  }

  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}
