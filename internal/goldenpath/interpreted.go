package goldenpath

import (
	"context"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

func emptyIndex() v1.ImageIndex { return empty.Index }

// leftOut are the files of a work tree that are no part of a running program.
func (j *job) leftOut() []string {
	out := []string{".git", ".gitignore", ".github", ".fawkes", "Jenkinsfile", "deploy", "fawkes.yaml", "__pycache__", ".pytest_cache", "tests", "test"}
	if rel, err := filepath.Rel(j.dir, j.artifacts); err == nil && filepath.IsLocal(rel) {
		out = append(out, filepath.ToSlash(rel)+"/", filepath.ToSlash(rel)+"/*")
		if !strings.Contains(rel, "/") {
			out = append(out, rel)
		}
	}
	return append(out, j.file.Image.Exclude...)
}

// interpretedSpec is the image of a program that needs an interpreter: the interpreter of this machine with
// all it needs, and the work tree.
func (j *job) interpretedSpec(ctx context.Context, spec oci.ImageSpec) (oci.ImageSpec, error) {
	if j.project.Start == "" && spec.Entrypoint == nil {
		return spec, failf(ExitUsage, "set image.entrypoint in fawkes.yaml", "it is not known which file starts the program")
	}
	spec.Inside, spec.WorkingDir = j.dir, "/app"
	base := spec.Base != nil
	switch j.project.Language {
	case detect.Node:
		spec.Folders = []oci.Folder{{Source: j.dir, Target: "/app", Exclude: j.leftOut()}}
		return j.withInterpreter(ctx, spec, base, "node", []string{j.project.Start})
	case detect.Python:
		spec.Folders = []oci.Folder{{Source: j.dir, Target: "/app", Exclude: j.leftOut()}}
		if info, err := j.tree.Stat(".fawkes/site-packages"); err == nil && info.IsDir() {
			spec.Folders = append(spec.Folders, oci.Folder{Source: filepath.Join(j.dir, ".fawkes", "site-packages"), Target: "/app/site-packages", Exclude: []string{"__pycache__"}})
		}
		spec.Env = append(spec.Env, "PYTHONPATH=/app/site-packages:/app", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1")
		return j.withInterpreter(ctx, spec, base, "python3", []string{j.project.Start})
	}
	jars, err := fs.Glob(j.tree.FS(), j.project.Start)
	if err != nil {
		return spec, err
	}
	var programs []string
	for _, jar := range jars {
		if !strings.HasSuffix(jar, "-sources.jar") && !strings.HasSuffix(jar, "-javadoc.jar") && !strings.HasSuffix(jar, "-plain.jar") && !strings.HasPrefix(filepath.Base(jar), "original-") {
			programs = append(programs, jar)
		}
	}
	if len(programs) != 1 {
		return spec, failf(ExitUsage, "let the build make one jar that can be run, or set image.root and image.entrypoint in fawkes.yaml", "the build made %d jars (%s), want one", len(programs), strings.Join(programs, ", "))
	}
	spec.Files = []oci.File{{Source: filepath.Join(j.dir, filepath.FromSlash(programs[0])), Target: "/app/app.jar", Mode: 0o644}}
	return j.withInterpreter(ctx, spec, base, "java", []string{"-jar", "/app/app.jar"})
}

// withInterpreter adds the interpreter of this machine, unless the image is built upon one that has it.
func (j *job) withInterpreter(ctx context.Context, spec oci.ImageSpec, based bool, name string, args []string) (oci.ImageSpec, error) {
	for i, a := range args {
		if i == 0 && a != "" && !strings.HasPrefix(a, "-") {
			args[i] = "/app/" + a
		}
	}
	if based {
		if spec.Entrypoint == nil {
			spec.Entrypoint = append([]string{name}, args...)
		}
		return spec, nil
	}
	program, folders, env, err := j.interpreter(ctx, name)
	if err != nil {
		return spec, err
	}
	root, err := oci.CollectRoot([]string{program}, folders...)
	if err != nil {
		return spec, failf(ExitFailed, "", "collect %s: %v", name, err)
	}
	spec.Files = append(spec.Files, root.Files...)
	spec.Folders = append(root.Folders, spec.Folders...)
	spec.Env = append(spec.Env, env...)
	if spec.Entrypoint == nil {
		spec.Entrypoint = append([]string{root.Programs[0]}, args...)
	}
	return spec, nil
}

// interpreter asks an interpreter where it and its library are.
func (j *job) interpreter(ctx context.Context, name string) (program string, folders []oci.Folder, env []string, err error) {
	ask := map[string][]string{
		"node":    {"node", "-p", "JSON.stringify({program: process.execPath})"},
		"python3": {"python3", "-c", "import json,os,sys,sysconfig; p=sysconfig.get_paths(); print(json.dumps({'program': os.path.realpath(sys.executable), 'folders': sorted({p['stdlib'], p['platstdlib']}), 'home': sys.base_prefix}))"},
		"java":    {"java", "-XshowSettings:properties", "-version"},
	}[name]
	c := j.projectCommand(ask, false)
	c.quiet = true
	if name == "java" {
		spoken := &bounded{most: 64 << 10}
		c.stderr = spoken
		if err := j.exec(ctx, j.log, c); err != nil {
			return "", nil, nil, j.explained(err)
		}
		for line := range strings.Lines(string(spoken.text)) {
			if home, ok := strings.CutPrefix(strings.TrimSpace(line), "java.home = "); ok {
				return filepath.Join(home, "bin", "java"), []oci.Folder{{Source: home, Target: home, Exclude: []string{"jmods", "src.zip", "include", "man", "demo"}, Follow: true}}, []string{"JAVA_HOME=" + home}, nil
			}
		}
		return "", nil, nil, failf(ExitUsage, "", "java does not say where its home is")
	}
	text, err := j.output(ctx, j.log, c, 64<<10)
	if err != nil {
		return "", nil, nil, j.explained(err)
	}
	var said struct {
		Program, Home string
		Folders       []string
	}
	if err := json.Unmarshal(text, &said); err != nil || !filepath.IsAbs(said.Program) {
		return "", nil, nil, failf(ExitUsage, "", "%s does not say where it is", name)
	}
	for _, f := range said.Folders {
		folders = append(folders, oci.Folder{Source: f, Target: f, Exclude: []string{"__pycache__", "site-packages", "dist-packages", "test", "idlelib", "turtledemo", "ensurepip", "config-*"}, Follow: true})
	}
	if name == "python3" {
		env = []string{"PYTHONHOME=" + said.Home}
	}
	return said.Program, folders, env, nil
}
