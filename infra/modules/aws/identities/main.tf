# A role for each program in the cluster that speaks to AWS. It is had by the token of one service account; no key lies
# anywhere.

locals {
  issuer = trimprefix(var.oidc_issuer, "https://")

  roles = {
    external-secrets = {
      subject = "fawkes-security:external-secrets"
      allow = [
        { Action = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], Resource = "arn:aws:secretsmanager:${var.region}:${var.account}:secret:${var.name}/*" },
        { Action = ["kms:Decrypt"], Resource = var.data_key_arn },
      ]
    }
    cert-manager = {
      subject = "cert-manager:cert-manager"
      allow = [
        { Action = ["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"], Resource = var.zone_arn },
        { Action = ["route53:GetChange"], Resource = "arn:aws:route53:::change/*" },
      ]
    }
    vault = {
      subject = "fawkes-security:vault"
      allow   = [{ Action = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"], Resource = var.vault_key_arn }]
    }
    backup = {
      subject = "fawkes-platform:backup"
      allow = [
        { Action = ["s3:PutObject", "s3:GetObject"], Resource = "${var.bucket_arn}/*" },
        { Action = ["s3:ListBucket"], Resource = var.bucket_arn },
        { Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = var.data_key_arn },
      ]
    }
    ebs-csi = {
      subject = "kube-system:ebs-csi-controller-sa"
      allow   = [{ Action = ["kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext", "kms:Decrypt"], Resource = var.data_key_arn }]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.roles
  name     = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = var.oidc_provider_arn }
      Condition = { StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = "system:serviceaccount:${each.value.subject}"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles
  name     = each.key
  role     = aws_iam_role.this[each.key].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for s in each.value.allow : merge({ Effect = "Allow" }, s)]
  })
}

resource "aws_iam_role_policy_attachment" "ebs_csi" {
  role       = aws_iam_role.this["ebs-csi"].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

# The driver gives the cluster its default storage class.
resource "aws_eks_addon" "ebs_csi" {
  cluster_name             = var.name
  addon_name               = "aws-ebs-csi-driver"
  service_account_role_arn = aws_iam_role.this["ebs-csi"].arn
  configuration_values     = jsonencode({ defaultStorageClass = { enabled = true } })
}
