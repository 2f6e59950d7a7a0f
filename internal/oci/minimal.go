package oci

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// base is what a statically linked program wants around it: who it runs as, where it may write, whom it trusts, and
// what time it is. Certificates and time zones are this machine's, where it has them.
func base(withZones bool) []entry {
	entries := append(baseFolders(),
		text("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"),
		text("etc/group", "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"),
		text("etc/nsswitch.conf", "hosts: files dns\n"),
		text("etc/os-release", "NAME=\"Fawkes minimal base\"\nID=fawkes\nPRETTY_NAME=\"Fawkes minimal base\"\n"),
		entry{name: "var/run", mode: fs.ModeSymlink | 0o777, link: "../run"},
	)
	if e, ok := certificates(); ok {
		entries = append(entries, e)
	}
	if withZones {
		return append(entries, zones()...)
	}
	return entries
}

func baseFolders() []entry {
	return []entry{
		dir("dev", 0o755, 0), // for who runs it to mount onto, as proc and sys
		dir("etc", 0o755, 0),
		dir("home", 0o755, 0),
		dir("home/nonroot", 0o755, 65532),
		dir("proc", 0o755, 0),
		dir("root", 0o700, 0),
		dir("run", 0o755, 0),
		dir("sys", 0o755, 0),
		dir("tmp", fs.ModeSticky|0o777, 0),
		dir("usr", 0o755, 0),
		dir("var", 0o755, 0),
		dir("var/tmp", fs.ModeSticky|0o777, 0),
	}
}

func isBaseFolder(name string) bool {
	return slices.ContainsFunc(baseFolders(), func(e entry) bool { return e.name == name })
}

// certificates finds the bundle of the authorities that this machine trusts, where distributions keep it.
func certificates() (entry, bool) {
	for _, source := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"} {
		if e, ok := systemFile(source, "etc/ssl/certs/ca-certificates.crt"); ok {
			return e, true
		}
	}
	return entry{}, false
}

func systemFile(source, target string) (entry, bool) {
	f, info, err := openFile(source, "")
	if err != nil {
		return entry{}, false
	}
	f.Close()
	return entry{name: target, mode: 0o644, size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(source) }}, true
}

// zones are the time zones; the local one is UTC.
func zones() []entry {
	const source = "/usr/share/zoneinfo"
	utc, ok := systemFile(filepath.Join(source, "UTC"), "etc/localtime")
	if !ok {
		return nil
	}
	entries, err := folderEntries(Folder{
		Source: source, Target: source, Follow: true,
		Exclude: []string{"posix", "right", "localtime", "posixrules", "leapseconds", "*.list"},
	}, "")
	if err != nil {
		return []entry{utc} // an odd tree of zones is no reason to have no image
	}
	return append(entries, utc)
}
