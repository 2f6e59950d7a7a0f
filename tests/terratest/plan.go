package terratest

import (
	"fmt"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// duty is what a type of resource must say in a plan.
type duty struct {
	kind, path string
	want       any
	why        string
}

func duties() []duty {
	return []duty{
		{"aws_launch_template", "block_device_mappings.0.ebs.0.encrypted", true, "an unencrypted disk"},
		{"aws_db_instance", "storage_encrypted", true, "an unencrypted disk"},
		{"aws_db_instance", "publicly_accessible", false, "a public database"},
		{"aws_db_instance", "deletion_protection", true, "no deletion protection"},
		{"aws_subnet", "map_public_ip_on_launch", false, "a public node"},
		{"aws_eks_cluster", "vpc_config.0.endpoint_public_access", false, "a public API"},
		{"aws_eks_cluster", "deletion_protection", true, "no deletion protection"},
		{"aws_s3_bucket_public_access_block", "restrict_public_buckets", true, "a public bucket"},
		{"azurerm_kubernetes_cluster", "private_cluster_enabled", true, "a public API"},
		{"azurerm_kubernetes_cluster", "default_node_pool.0.node_public_ip_enabled", false, "a public node"},
		{"azurerm_kubernetes_cluster", "default_node_pool.0.host_encryption_enabled", true, "an unencrypted disk"},
		{"azurerm_postgresql_flexible_server", "public_network_access_enabled", false, "a public database"},
		{"azurerm_storage_account", "allow_nested_items_to_be_public", false, "a public bucket"},
		{"azurerm_storage_account", "infrastructure_encryption_enabled", true, "an unencrypted disk"},
		{"google_container_cluster", "private_cluster_config.0.enable_private_nodes", true, "a public node"},
		{"google_container_cluster", "private_cluster_config.0.enable_private_endpoint", true, "a public API"},
		{"google_container_cluster", "deletion_protection", true, "no deletion protection"},
		{"google_container_node_pool", "network_config.0.enable_private_nodes", true, "a public node"},
		{"google_sql_database_instance", "settings.0.ip_configuration.0.ipv4_enabled", false, "a public database"},
		{"google_sql_database_instance", "deletion_protection", true, "no deletion protection"},
		{"google_storage_bucket", "public_access_prevention", "enforced", "a public bucket"},
	}
}

// judge names what a plan has that the rules do not allow.
func judge(plan *tfjson.Plan) []string {
	var out []string
	for _, r := range plan.ResourceChanges {
		for _, d := range duties() {
			if r.Type != d.kind {
				continue
			}
			// Some providers write a truth as text.
			if got := at(r.Change.After, d.path); fmt.Sprint(got) != fmt.Sprint(d.want) {
				out = append(out, fmt.Sprintf("%s: %s: %s is %v", r.Address, d.why, d.path, got))
			}
		}
		// A route leads out; everything else that names all addresses lets them in.
		if r.Type != "aws_route" && holds(r.Change.After, "0.0.0.0/0") {
			out = append(out, r.Address+": is open to 0.0.0.0/0")
		}
	}
	return out
}

func at(v any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			if len(x) == 0 {
				return nil
			}
			v = x[0]
		default:
			return nil
		}
	}
	return v
}

func holds(v any, text string) bool {
	switch x := v.(type) {
	case string:
		return x == text
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return holds(e, text) })
	case map[string]any:
		for _, e := range x {
			if holds(e, text) {
				return true
			}
		}
	}
	return false
}
