package images

import "github.com/fawkes-idp/fawkes/internal/oci"

// Prometheus describes an image of Prometheus' program, which runs as the user that its project's own image has.
func Prometheus(program string) oci.ImageSpec {
	return oci.ImageSpec{
		Files: []oci.File{{Source: program, Target: "/bin/prometheus", Mode: 0o755}}, User: "65534:65534", NoTimeZones: true,
		Entrypoint: []string{"/bin/prometheus"},
	}
}
