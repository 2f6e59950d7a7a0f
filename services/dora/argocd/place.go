package argocd

import (
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Annotations of an Application (labels of the same name serve as well, where a
// label can hold the value).
const (
	AnnotationService     = "fawkes.dev/service"     // what is deployed; default: the Application's name
	AnnotationServices    = "fawkes.dev/services"    // "api=registry/x/api,web": several, each with its image
	AnnotationEnvironment = "fawkes.dev/environment" // where to
	AnnotationRevision    = "fawkes.dev/revision"    // the commit that the image was made from
	AnnotationRepository  = "fawkes.dev/repository"  // and its repository

	annotationOCIRevision = "org.opencontainers.image.revision"
	annotationOCISource   = "org.opencontainers.image.source"
)

// stated is the value of the first of some annotations, or labels, that is set.
func (p *payload) stated(names ...string) (value, field string) {
	for _, name := range names {
		if v := strings.TrimSpace(p.App.Annotations[name]); v != "" {
			return v, "app.annotations[" + name + "]"
		}
		if v := strings.TrimSpace(p.App.Labels[name]); v != "" {
			return v, "app.labels[" + name + "]"
		}
	}
	return "", "app.annotations[" + names[0] + "]"
}

// place is where an Application deploys to, and what it is called there.
type place struct {
	service, environment           string
	serviceField, environmentField string
}

// place finds service and environment. The environment is stated, or the first
// word for one in the Application's name ("api-production"), the namespace and
// the cluster that it deploys to, its project, and the paths of its manifests
// ("overlays/staging"). Where none of them tells, none is named, and the report
// counts as every report without an environment does: as production.
func (p *payload) place() place {
	out := place{service: p.App.Name, serviceField: "app.name"}
	stem, suffix := withoutEnvironment(p.App.Name)
	if suffix != "" {
		out.service = stem
	}
	out.environment, out.environmentField = p.stated(AnnotationEnvironment, "environment", "env")
	if out.environment == "" {
		out.environment = suffix
	}
	if out.environment == "" {
		names := []string{p.Destination.Namespace, p.Destination.Name, p.App.Project}
		for _, s := range p.Sources {
			names = append(names, strings.Split(s.Path, "/")...)
		}
		for _, name := range names {
			if isEnvironment(name) {
				out.environment = name
			} else if _, out.environment = withoutEnvironment(name); out.environment == "" {
				continue
			}
			break
		}
	}
	if v, field := p.stated(AnnotationService); v != "" {
		out.service, out.serviceField = v, field
	}
	return out
}

// withoutEnvironment parts a name from the word for an environment that stands
// at its end, or at its beginning.
func withoutEnvironment(name string) (rest, word string) {
	if i := strings.LastIndexByte(name, '-'); i > 0 && isEnvironment(name[i+1:]) {
		return name[:i], name[i+1:]
	}
	if before, after, ok := strings.Cut(name, "-"); ok && after != "" && isEnvironment(before) {
		return after, before
	}
	return name, ""
}

func isEnvironment(word string) bool {
	switch strings.ToLower(word) {
	case "production", "prod", "prd", "live", "staging", "stage", "stg", "preprod", "test", "testing", "qa", "uat", "development", "dev":
		return true
	}
	return false
}

// share is one service of an Application and the images that may be its own.
type share struct {
	service string
	images  []string
}

// shares reads the annotation that tells the services of one Application apart:
// "api=registry.example/shop/api, web=shop/web, worker". A service without an
// image has the one of its name. Several entries of one service are tried in order.
func (p *payload) shares() ([]share, error) {
	text, field := p.stated(AnnotationServices)
	var out []share
	entries := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\t' })
	for _, entry := range entries {
		service, name, mapped := strings.Cut(entry, "=")
		if !mapped {
			name = service
		}
		name = parseImage(name).name
		if service == "" || name == "" {
			return nil, event.Fault(field, "%q is not a service and its image, such as \"api=registry.example/shop/api\"", intake.Clean(entry, 120))
		}
		if len(service) > intake.MostText {
			return nil, event.Fault(field, "a service's name is %d bytes long, at most %d are taken", len(service), intake.MostText)
		}
		known := false
		for i := range out {
			if out[i].service == service {
				out[i].images, known = append(out[i].images, name), true
			}
		}
		if !known {
			out = append(out, share{service, []string{name}})
		}
	}
	if len(out) > mostServices {
		return nil, event.Fault(field, "names %d services, at most %d are taken", len(out), mostServices)
	}
	return out, nil
}

// mostServices bounds the services of one Application.
const mostServices = 64
