package helm

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const charts = "../../../charts"

// Merge reads values files, the later winning, as `helm -f` does.
func Merge(files ...string) (map[string]any, error) {
	out := map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var values map[string]any
		if err := yaml.UnmarshalStrict(text, &values); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = loader.MergeMaps(out, values)
	}
	return out, nil
}

// Render is `helm template`: the schema is asked, then every template is rendered. It returns the manifests in one
// text, and the values that they were rendered from.
func Render(name string, values map[string]any) (text string, used map[string]any, err error) {
	c, err := loader.LoadDir(path.Join(charts, name))
	if err != nil {
		return "", nil, err
	}
	return render(c, values)
}

func render(c *chart.Chart, values map[string]any) (string, map[string]any, error) {
	return renderAs(c, "test", values)
}

// dependencies switches off the subcharts that the values do not want, and hands values down and up, as Helm does before it
// renders.
func dependencies(c *chart.Chart, values map[string]any) error {
	return chartutil.ProcessDependencies(c, values)
}

// renderAs renders a chart as the release of a name.
func renderAs(c *chart.Chart, release string, values map[string]any) (string, map[string]any, error) {
	kube := common.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: release, Namespace: "fawkes-apps", Revision: 1, IsInstall: true},
		&common.Capabilities{KubeVersion: kube, APIVersions: common.DefaultVersionSet})
	if err != nil {
		return "", nil, err
	}
	rendered, err := engine.Render(c, all)
	if err != nil {
		return "", nil, err
	}
	var files []string
	for file, text := range rendered {
		if strings.HasSuffix(file, ".yaml") && strings.TrimSpace(text) != "" {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	var out strings.Builder
	for _, file := range files {
		text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rendered[file]), "---"))
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", file, text)
	}
	used, ok := all["Values"].(common.Values)
	if !ok {
		return "", nil, fmt.Errorf("helm gives values of type %T", all["Values"])
	}
	return out.String(), used, nil
}

// Inputs are the names of the Secrets that the values name, which are there before the chart is.
func Inputs(values map[string]any) []string {
	var out []string
	for key, value := range values {
		switch v := value.(type) {
		case map[string]any:
			out = append(out, Inputs(v)...)
		case []any:
			for _, e := range v {
				if s, ok := e.(string); ok && key == "imagePullSecrets" {
					out = append(out, s)
				}
			}
		case string:
			if (key == "secret" || key == "tlsSecret") && v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}
