# Who in the cluster may do what in AWS. Auth, trading, engine and backoffice may do nothing: they have no role. Each
# role trusts the pods of one service account in this one cluster: EKS says in tags which those are.

data "aws_region" "current" {}

data "aws_iam_policy_document" "assume" {
  for_each = merge(
    { for name, role in local.roles : name => { namespace = role.namespace, service_account = role.service_account } },
    { disks = { namespace = "kube-system", service_account = "ebs-csi-controller-sa" } },
  )

  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks-cluster-arn"
      values   = [var.cluster_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-namespace"
      values   = [each.value.namespace]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-service-account"
      values   = [each.value.service_account]
    }
  }
}

data "aws_iam_policy_document" "external_secrets" {
  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = var.secret_arns
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.name}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "notifier" {
  statement {
    sid       = "PublishNotices"
    actions   = ["sns:Publish"]
    resources = [var.notices_topic_arn]
  }

  statement {
    sid       = "EncryptNotices"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["sns.${data.aws_region.current.name}.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = var.mail_identity_arn == null ? [] : [var.mail_identity_arn]

    content {
      sid       = "SendMail"
      actions   = ["ses:SendEmail"]
      resources = compact([statement.value, var.mail_configuration_set_arn])

      condition {
        test     = "StringEquals"
        variable = "ses:FromAddress"
        values   = [var.mail_from]
      }
    }
  }
}

data "aws_iam_policy_document" "log_forwarder" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = [for arn in var.log_group_arns : "${arn}:*"]
  }
}

# Its records are marked by TXT records beside them: owner.<name>, and one that tells the record's type too.
data "aws_iam_policy_document" "external_dns" {
  statement {
    sid       = "WriteNames"
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = ["arn:aws:route53:::hostedzone/${var.zone_id}"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
      values   = flatten([for name in var.dns_names : [name, "owner.${name}", "owner.a-${name}", "owner.aaaa-${name}", "owner.cname-${name}"]])
    }

    # It adds and changes; it deletes nothing.
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsActions"
      values   = ["CREATE", "UPSERT"]
    }
  }

  statement {
    sid       = "ReadZone"
    actions   = ["route53:ListResourceRecordSets", "route53:ListTagsForResource", "route53:ListTagsForResources"]
    resources = ["arn:aws:route53:::hostedzone/${var.zone_id}"]
  }

  # Which zones there are cannot be asked of one zone.
  statement {
    sid       = "FindZone"
    actions   = ["route53:ListHostedZones"]
    resources = ["*"]
  }
}

locals {
  # Role: the namespace and service account it belongs to, and what it may do.
  roles = merge(local.always, var.zone_id == "" ? {} : {
    external-dns = {
      namespace       = "external-dns"
      service_account = "external-dns"
      policy          = data.aws_iam_policy_document.external_dns.json
    }
  })

  always = {
    external-secrets = {
      namespace       = "external-secrets"
      service_account = "external-secrets"
      policy          = data.aws_iam_policy_document.external_secrets.json
    }
    notifier = {
      namespace       = "crossbook"
      service_account = "crossbook-notifier"
      policy          = data.aws_iam_policy_document.notifier.json
    }
    log-forwarder = {
      namespace       = "logging"
      service_account = "fluent-bit"
      policy          = data.aws_iam_policy_document.log_forwarder.json
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${var.name}-pod-${each.key}"
  description          = "Pods of ${each.value.namespace}/${each.value.service_account}"
  assume_role_policy   = data.aws_iam_policy_document.assume[each.key].json
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = "allowed"
  role   = aws_iam_role.this[each.key].id
  policy = each.value.policy
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = var.create_associations ? local.roles : {}

  cluster_name    = var.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = aws_iam_role.this[each.key].arn
}

# The disk driver's own policy is AWS', and its service account the add-on's.
resource "aws_iam_role" "disks" {
  name               = "${var.name}-pod-disks"
  description        = "Pods of kube-system/ebs-csi-controller-sa"
  assume_role_policy = data.aws_iam_policy_document.assume["disks"].json
}

resource "aws_iam_role_policy_attachment" "disks" {
  role       = aws_iam_role.disks.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_eks_pod_identity_association" "disks" {
  count = var.create_associations ? 1 : 0

  cluster_name    = var.cluster_name
  namespace       = "kube-system"
  service_account = "ebs-csi-controller-sa"
  role_arn        = aws_iam_role.disks.arn
}
