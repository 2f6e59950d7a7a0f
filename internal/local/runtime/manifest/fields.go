package manifest

import (
	"fmt"
	"strings"
)

// Class is what is done with a field.
type Class string

// The classes of fields.
const (
	Supported Class = "supported"
	Harmless  Class = "harmless" // taken, and without effect for the reason given
	Refused   Class = "refused"  // an error, unless its value asks for nothing (false, 0, empty)
)

// Field is a row of the table: what is done with a field of a kind, and with everything below it when Below.
type Field struct {
	Kind  string
	Path  string // [] stands for every element of a list
	Class Class
	Below bool
	Only  []string // the values that are done; others are refused
	Why   string
	Mend  string
}

// Kinds are those that are read; all others are refused.
func Kinds() []string { return []string{"Deployment", "Service", "ConfigMap", "Ingress", "Namespace"} }

// refusedKinds says for kinds that people try what to do instead.
func refusedKinds() map[string]string {
	return map[string]string{
		"StatefulSet":             "use a Deployment; there are no volumes that outlive an instance",
		"DaemonSet":               "use a Deployment with one replica: there is one machine",
		"Job":                     "run it as a stage of the pipeline",
		"CronJob":                 "run it as a stage of the pipeline, or from the application itself",
		"Pod":                     "use a Deployment, which starts it again when it ends",
		"ReplicaSet":              "use a Deployment",
		"Secret":                  "there is no store of secrets yet; what is not secret goes into a ConfigMap",
		"PersistentVolumeClaim":   "there are no volumes that outlive an instance; emptyDir lasts as long as the instance",
		"PersistentVolume":        "there are no volumes that outlive an instance; emptyDir lasts as long as the instance",
		"ServiceAccount":          "there is no API server that an application could speak to",
		"Role":                    "there is no API server that an application could speak to",
		"RoleBinding":             "there is no API server that an application could speak to",
		"ClusterRole":             "there is no API server that an application could speak to",
		"ClusterRoleBinding":      "there is no API server that an application could speak to",
		"NetworkPolicy":           "programs of one machine reach each other; keep it in the cluster's overlay",
		"HorizontalPodAutoscaler": "say a number of replicas",
		"PodDisruptionBudget":     "keep it in the cluster's overlay",
	}
}

// Fields is the table. Every field of every kind is in it, itself or by one above it.
func Fields() []Field {
	var out []Field
	for _, kind := range Kinds() {
		out = append(out, metadata(kind, "metadata")...)
	}
	out = append(out, deploymentFields()...)
	out = append(out, podFields()...)
	out = append(out, containerFields()...)
	out = append(out, volumeFields()...)
	return append(out, reachFields()...)
}

// rows collects fields of one kind below one path.
type rows struct {
	kind, at string
	all      []Field
}

func (t *rows) path(p string) string {
	switch {
	case t.at == "":
		return p
	case p == "":
		return t.at
	}
	return t.at + "." + p
}

// supported adds fields that are done, separated by spaces; "name!" covers all that is below it.
func (t *rows) supported(paths string) {
	for p := range strings.FieldsSeq(paths) {
		p, below := strings.CutSuffix(p, "!")
		t.all = append(t.all, Field{Kind: t.kind, Path: t.path(p), Class: Supported, Below: below})
	}
}

// only adds a field of which some values are done.
func (t *rows) only(path, values, why, mend string) {
	t.all = append(t.all, Field{
		Kind: t.kind, Path: t.path(path), Class: Supported, Only: strings.Fields(values), Why: why, Mend: mend,
	})
}

func (t *rows) harmless(paths, why string) {
	for p := range strings.FieldsSeq(paths) {
		t.all = append(t.all, Field{Kind: t.kind, Path: t.path(p), Class: Harmless, Below: true, Why: why})
	}
}

func (t *rows) refused(paths, why, mend string) {
	for p := range strings.FieldsSeq(paths) {
		t.all = append(t.all, Field{Kind: t.kind, Path: t.path(p), Class: Refused, Below: true, Why: why, Mend: mend})
	}
}

func metadata(kind, at string) []Field {
	t := rows{kind: kind}
	t.supported("apiVersion kind")
	t.at = at
	t.supported("name namespace labels! annotations!")
	t.harmless("uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds selfLink managedFields",
		"a cluster writes it; it is not read")
	t.refused("generateName", "objects are compared by name", "give the object a name")
	t.refused("finalizers ownerReferences", "nothing here acts on it", "leave it out")
	if kind == "Namespace" {
		t.at = ""
		t.refused("spec", "nothing here acts on it", "leave it out")
		t.harmless("status", "a cluster writes it; it is not read")
	}
	return t.all
}

func deploymentFields() []Field {
	t := rows{kind: "Deployment"}
	t.harmless("status", "a cluster writes it; it is not read")
	t.at = "spec"
	t.supported("replicas selector.matchLabels! selector.matchExpressions[].key selector.matchExpressions[].operator")
	t.supported("selector.matchExpressions[].values! minReadySeconds paused progressDeadlineSeconds")
	t.only("strategy.type", "RollingUpdate Recreate", "is no strategy", "write RollingUpdate or Recreate")
	t.supported("strategy.rollingUpdate.maxUnavailable strategy.rollingUpdate.maxSurge")
	t.harmless("revisionHistoryLimit", "history is git's; the last three templates are kept")
	t.at = "spec.template.metadata"
	t.supported("labels! annotations!")
	t.harmless("name namespace uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds selfLink managedFields generateName",
		"instances get names and times of their own")
	t.refused("finalizers ownerReferences", "nothing here acts on it", "leave it out")
	return t.all
}

const oneMachine = "has no meaning on one machine"

func podFields() []Field {
	t := rows{kind: "Deployment", at: "spec.template.spec"}
	t.supported("terminationGracePeriodSeconds enableServiceLinks")
	t.only("restartPolicy", "Always", "a Deployment's instances are always started again", "write Always, or leave it out")
	t.only("dnsPolicy", "ClusterFirst Default", "names are resolved as this machine does", "leave it out")
	t.only("os.name", "linux", "programs run on Linux", "leave it out")
	t.only("serviceAccountName", "default", "there is no API server that the program could speak to", "leave it out")
	t.only("serviceAccount", "default", "there is no API server that the program could speak to", "leave it out")
	t.refused("automountServiceAccountToken", "there is no API server that the program could speak to", "write false, or leave it out")
	t.harmless("nodeSelector affinity tolerations topologySpreadConstraints schedulerName priorityClassName priority preemptionPolicy nodeName", oneMachine)
	t.harmless("overhead", "nothing is scheduled")
	t.harmless("imagePullSecrets", "images are pulled with the platform's own access to the registry")
	t.harmless("hostUsers", "the sandbox decides which namespaces a program gets, and reports them")
	t.refused("hostNetwork hostPID hostIPC", "a program is given no more of this machine than it needs", "leave it out; ports are given by PORT")
	t.refused("initContainers", "one program is run for each instance, and files are not shared between two", "do it when the program starts, or as a stage of the pipeline")
	t.refused("ephemeralContainers", "one program is run for each instance", "leave it out")
	t.refused("shareProcessNamespace", "one program is run for each instance", "leave it out")
	t.refused("activeDeadlineSeconds", "instances are stopped by their Deployment alone", "leave it out")
	t.refused("dnsConfig hostAliases", "names are resolved as this machine does", "give the program addresses by variables")
	t.refused("hostname subdomain setHostnameAsFQDN hostnameOverride", "instances have no names on a network", "other Services are found by the variables NAME_SERVICE_HOST and NAME_SERVICE_PORT")
	t.refused("readinessGates schedulingGates", "nothing here sets the condition", "use a readinessProbe")
	t.refused("runtimeClassName", "there is one way to run programs", "leave it out")
	t.refused("resourceClaims", "devices are not given to programs", "leave it out")
	t.refused("resources", "limits are those of the container", "say them in containers[0].resources")

	t.at = "spec.template.spec.securityContext"
	userFields(&t)
	t.harmless("fsGroup fsGroupChangePolicy supplementalGroups supplementalGroupsPolicy", "volumes belong to the program's own user")
	t.harmless("seLinuxChangePolicy", "volumes are not labeled")
	t.refused("sysctls", "the kernel is this machine's", "leave it out")
	return t.all
}

// userFields are those that the security contexts of pods and containers share.
func userFields(t *rows) {
	t.harmless("runAsUser runAsGroup runAsNonRoot",
		"programs run as the platform's user, without capabilities and, where the kernel has Landlock, without any files but their own")
	const confined = "programs are confined by Landlock, without capabilities; there is no profile of system calls"
	t.only("seccompProfile.type", "RuntimeDefault Unconfined", "profiles of one's own are not loaded", "write RuntimeDefault")
	t.refused("seccompProfile.localhostProfile", confined, "leave it out")
	t.only("appArmorProfile.type", "RuntimeDefault Unconfined", "profiles of one's own are not loaded", "write RuntimeDefault")
	t.refused("appArmorProfile.localhostProfile", confined, "leave it out")
	t.refused("seLinuxOptions", confined, "leave it out")
	t.refused("windowsOptions", "programs run on Linux", "leave it out")
}

func containerFields() []Field {
	t := rows{kind: "Deployment", at: "spec.template.spec.containers[]"}
	t.supported("name image command! args! workingDir")
	t.harmless("imagePullPolicy", "images are named by digest, which never means another image")
	t.harmless("terminationMessagePath terminationMessagePolicy", "the end of the log says it")
	t.harmless("resizePolicy", "a changed limit is rolled out")
	t.supported("ports[].name ports[].containerPort")
	t.only("ports[].protocol", "TCP", "UDP and SCTP are not balanced", "leave the port out")
	t.refused("ports[].hostPort ports[].hostIP", "the ports of this machine are given out by the platform", "use a Service, whose port stays the same")

	t.supported("envFrom[].prefix envFrom[].configMapRef.name envFrom[].configMapRef.optional")
	t.refused("envFrom[].secretRef", noSecrets, "what is not secret goes into a ConfigMap")
	t.supported("env[].name env[].value env[].valueFrom.fieldRef.apiVersion env[].valueFrom.fieldRef.fieldPath")
	t.supported("env[].valueFrom.configMapKeyRef.name env[].valueFrom.configMapKeyRef.key env[].valueFrom.configMapKeyRef.optional")
	t.refused("env[].valueFrom.secretKeyRef", noSecrets, "what is not secret goes into a ConfigMap")
	t.refused("env[].valueFrom.resourceFieldRef env[].valueFrom.fileKeyRef", "nothing here knows its value", "write the value")

	t.supported("resources.limits!")
	t.harmless("resources.requests", "nothing is scheduled")
	t.refused("resources.claims", "devices are not given to programs", "leave it out")
	t.refused("restartPolicy restartPolicyRules", "a Deployment's instances are always started again", "leave it out")

	t.supported("volumeMounts[].name volumeMounts[].mountPath volumeMounts[].subPath volumeMounts[].readOnly")
	t.harmless("volumeMounts[].recursiveReadOnly", "what a ConfigMap holds is read-only throughout")
	t.refused("volumeMounts[].mountPropagation volumeMounts[].subPathExpr", "volumes are folders", "leave it out")
	t.refused("volumeDevices", "devices are not given to programs", "leave it out")

	for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		t.at = "spec.template.spec.containers[]." + probe
		t.supported("exec.command! httpGet.path httpGet.port httpGet.httpHeaders[].name httpGet.httpHeaders[].value tcpSocket.port")
		t.supported("initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold terminationGracePeriodSeconds")
		t.only("httpGet.scheme", "HTTP HTTPS", "is no scheme", "write HTTP or HTTPS")
		t.refused("httpGet.host tcpSocket.host", "instances are asked themselves", "leave it out")
		t.refused("grpc", "the question is not put in gRPC", "use tcpSocket, httpGet or exec")
	}
	t.at = "spec.template.spec.containers[].lifecycle"
	t.refused("postStart", "instances are told by their probes when they are ready", "do it when the program starts")
	t.supported("preStop.exec.command! preStop.httpGet.path preStop.httpGet.port preStop.httpGet.httpHeaders[].name")
	t.supported("preStop.httpGet.httpHeaders[].value preStop.sleep.seconds")
	t.only("preStop.httpGet.scheme", "HTTP HTTPS", "is no scheme", "write HTTP or HTTPS")
	t.refused("preStop.httpGet.host", "the instance itself is told", "leave it out")
	t.refused("preStop.tcpSocket", "Kubernetes does nothing for it", "use httpGet, exec or sleep")
	t.refused("stopSignal", "programs are stopped by SIGTERM", "leave it out")

	t.at = "spec.template.spec.containers[].securityContext"
	userFields(&t)
	t.supported("readOnlyRootFilesystem")
	t.harmless("capabilities.drop", "every capability is dropped")
	t.refused("capabilities.add", "programs have no capabilities", "leave it out; PORT is always above 1024")
	t.refused("privileged", "programs have no capabilities", "leave it out")
	t.refused("allowPrivilegeEscalation", "no program gains rights by running another", "write false, or leave it out")
	t.only("procMount", "Default", "a program sees its own /proc as usual", "leave it out")

	t.at = "spec.template.spec.containers[]"
	t.refused("stdin stdinOnce tty", "programs have no terminal", "leave it out")
	return t.all
}

const noSecrets = "there is no store of secrets yet"

func volumeFields() []Field {
	t := rows{kind: "Deployment", at: "spec.template.spec.volumes[]"}
	t.supported("name")
	t.supported("configMap.name configMap.defaultMode configMap.optional configMap.items[].key configMap.items[].path configMap.items[].mode")
	t.only("emptyDir.medium", "Memory", "is no medium", "leave it out")
	t.harmless("emptyDir.sizeLimit", "the folder is as large as the disk; its size is not watched")
	t.refused("secret", noSecrets, "what is not secret goes into a ConfigMap")
	t.refused("persistentVolumeClaim ephemeral csi", "there are no volumes that outlive an instance", "use emptyDir, which lasts as long as the instance")
	t.refused("hostPath", "a program sees no files of this machine", "put files into the image or a ConfigMap")
	t.refused("downwardAPI projected", "files of mixed sources are not made", "use env with fieldRef, and configMap volumes")
	t.refused("image", "images are not mounted", "put files into the image")
	t.refused("gcePersistentDisk awsElasticBlockStore gitRepo nfs iscsi glusterfs rbd flexVolume cinder cephfs flocker fc azureFile vsphereVolume quobyte azureDisk photonPersistentDisk portworxVolume scaleIO storageos",
		"disks and shares of others are not mounted", "use emptyDir, which lasts as long as the instance")
	return t.all
}

func reachFields() []Field {
	t := rows{kind: "Service"}
	t.harmless("status", "a cluster writes it; it is not read")
	t.at = "spec"
	t.supported("ports[].name ports[].port ports[].targetPort ports[].appProtocol selector!")
	t.only("ports[].protocol", "TCP", "UDP and SCTP are not balanced", "leave the port out")
	t.only("type", "ClusterIP", "a Service is a port of the loopback interface", "write ClusterIP, and an Ingress where people come from outside")
	t.only("sessionAffinity", "None", "instances take turns", "leave it out")
	t.refused("ports[].nodePort healthCheckNodePort", "the ports of this machine are given out by the platform", "leave it out")
	t.refused("clusterIP clusterIPs", "a Service is a port of the loopback interface; without one (None) nothing would balance", "leave it out")
	t.refused("externalIPs loadBalancerIP loadBalancerSourceRanges externalName loadBalancerClass", "a Service is a port of the loopback interface", "leave it out")
	t.refused("sessionAffinityConfig", "instances take turns", "leave it out")
	t.refused("publishNotReadyAddresses", "only what is ready is asked", "leave it out")
	t.harmless("externalTrafficPolicy internalTrafficPolicy trafficDistribution allocateLoadBalancerNodePorts", oneMachine)
	t.harmless("ipFamilies ipFamilyPolicy", "the loopback interface is used by IPv4")

	t.kind, t.at = "ConfigMap", ""
	t.supported("data! binaryData!")
	t.harmless("immutable", "every change is a roll-out of what uses it")

	t.kind = "Ingress"
	t.harmless("status", "a cluster writes it; it is not read")
	t.at = "spec"
	t.harmless("ingressClassName", "all Ingresses share one listener")
	t.supported("rules[].host rules[].http.paths[].path")
	t.only("rules[].http.paths[].pathType", "Prefix Exact ImplementationSpecific", "is no type of a path", "write Prefix or Exact")
	for _, backend := range []string{"defaultBackend", "rules[].http.paths[].backend"} {
		t.supported(fmt.Sprintf("%[1]s.service.name %[1]s.service.port.name %[1]s.service.port.number", backend))
		t.refused(backend+".resource", "requests go to Services", "name a service")
	}
	t.refused("tls", "the listener speaks plain HTTP, on this machine only", "keep it in the cluster's overlay")
	return t.all
}
