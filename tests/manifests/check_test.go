package manifests

import (
	"slices"
	"strings"
	"testing"
)

// whole is a component without a fault.
const whole = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: shop, namespace: apps}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: apps}
data: {level: info}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk, namespace: apps}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: apps}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: apps}
spec:
  tls: [{secretName: shop-tls}]
  rules: [{http: {paths: [{backend: {service: {name: shop, port: {name: http}}}}]}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop, namespace: apps}
spec: {scaleTargetRef: {kind: Deployment, name: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: apps}
spec:
  template:
    metadata: {labels: {app: shop}}
    spec:
      serviceAccountName: shop
      imagePullSecrets: [{name: pull}]
      containers:
        - name: shop
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}}
          env:
            - {name: A, valueFrom: {secretKeyRef: {name: database, key: url}}}
            - {name: B, valueFrom: {configMapKeyRef: {name: settings, key: level}}}
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: database}}]
          volumeMounts: [{name: all, mountPath: /all}, {name: disk, mountPath: /disk}]
      volumes:
        - {name: disk, persistentVolumeClaim: {claimName: disk}}
        - name: all
          projected:
            sources: [{secret: {name: database, items: [{key: url, path: url}]}}, {configMap: {name: settings, items: [{key: level, path: level}]}}]
`

func around() Surroundings {
	return Surroundings{Namespaces: []string{"apps"}, Secrets: map[string][]string{"database": {"url"}, "pull": nil, "shop-tls": nil}}
}

func TestOneMistakeOfEachKindIsFoundByName(t *testing.T) {
	check := func(t *testing.T, manifests string) []string {
		t.Helper()
		objects, err := Decode([]byte(manifests))
		if err != nil {
			return []string{err.Error()}
		}
		return Check(objects, around())
	}
	if faults := check(t, whole); len(faults) > 0 {
		t.Fatalf("what is right is found wrong: %v", faults)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a key that stands twice", "data: {level: info}", "data: {level: info}\ndata: {level: debug}", `mapping key "data" already defined`},
		{"another namespace", "kind: ConfigMap\nmetadata: {name: settings, namespace: apps}", "kind: ConfigMap\nmetadata: {name: settings, namespace: other}", "ConfigMap/settings is in the namespace other"},
		{"a Secret that is written down", "kind: PersistentVolumeClaim\nmetadata: {name: disk, namespace: apps}\n", "kind: PersistentVolumeClaim\nmetadata: {name: disk, namespace: apps}\n---\nkind: Secret\nmetadata: {name: database}\n", "Secret/database is written down"},
		{"a service account", "serviceAccountName: shop", "serviceAccountName: shops", "Deployment/shop names ServiceAccount/shops"},
		{"a Secret", "secretKeyRef: {name: database,", "secretKeyRef: {name: databse,", "container shop names the Secret databse, which nobody makes"},
		{"a Secret's key", "secretKeyRef: {name: database, key: url", "secretKeyRef: {name: database, key: uri", "reads the key uri of the Secret database"},
		{"a Secret as an environment", "secretRef: {name: database}", "secretRef: {name: db}", "names the Secret db"},
		{"a Secret of a volume", "secret: {name: database, items: [{key: url", "secret: {name: database, items: [{key: u", "reads the key u of the Secret database"},
		{"a Secret for images", "imagePullSecrets: [{name: pull}]", "imagePullSecrets: [{name: pul}]", "names the Secret pul"},
		{"a certificate", "secretName: shop-tls", "secretName: tls", "Ingress/shop names the Secret tls"},
		{"a ConfigMap", "configMapRef: {name: settings}", "configMapRef: {name: setting}", "names ConfigMap/setting"},
		{"a ConfigMap's key", "configMapKeyRef: {name: settings, key: level}", "configMapKeyRef: {name: settings, key: lvl}", "reads the key lvl of ConfigMap/settings"},
		{"a claim", "claimName: disk", "claimName: disc", "names PersistentVolumeClaim/disc"},
		{"a volume", "{name: all, mountPath: /all}", "{name: al, mountPath: /all}", "mounts the volume al"},
		{"a Service's pods", "selector: {app: shop}", "selector: {app: shp}", "Service/shop selects pods with map[app:shp]"},
		{"a Service's port", "targetPort: http", "targetPort: web", "Service/shop leads to the port web"},
		{"an Ingress's Service", "service: {name: shop,", "service: {name: shp,", "Ingress/shop names Service/shp"},
		{"an Ingress's port", "port: {name: http}}}}", "port: {name: https}}}}", "Ingress/shop leads to the port [https] of Service/shop"},
		{"a probe's port", "httpGet: {path: /, port: http}", "httpGet: {path: /, port: web}", "is probed at the port web"},
		{"what is scaled", "scaleTargetRef: {kind: Deployment, name: shop}", "scaleTargetRef: {kind: Deployment, name: shp}", "HorizontalPodAutoscaler/shop names Deployment/shp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(whole, c.old) != 1 {
				t.Fatalf("%q is there %d times", c.old, strings.Count(whole, c.old))
			}
			faults := check(t, strings.Replace(whole, c.old, c.new, 1))
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.want) }) {
				t.Errorf("found %q; want %q", faults, c.want)
			}
		})
	}
}
