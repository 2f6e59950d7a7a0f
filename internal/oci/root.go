package oci

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Root is a self-contained piece of a root folder: programs with everything they need to be started, to be given to
// Pack together with the application.
type Root struct {
	Files    []File
	Folders  []Folder
	Programs []string // where each program asked for is in the image
	// Missing are libraries that something in a folder asks for and this machine does not have, as "library (wanted by
	// file)". Programs that miss one are an error; a module that nobody loads may do without.
	Missing []string
}

// CollectRoot finds what programs of this machine need to run under another root: the program, the dynamic loader it
// names, and its shared libraries and theirs, as ld.so finds them (RPATH, RUNPATH and $ORIGIN, the configured folders,
// the built-in ones; LD_LIBRARY_PATH is not asked). What is in folders gets its libraries too:
//
//	oci.CollectRoot([]string{"/usr/bin/node"})
//	oci.CollectRoot([]string{"/usr/bin/python3"}, oci.Folder{Source: "/usr/lib/python3.13", Target: "/usr/lib/python3.13",
//		Exclude: []string{"__pycache__", "test"}, Follow: true})
//	oci.CollectRoot([]string{"/build/jre/bin/java"}, oci.Folder{Source: "/build/jre", Target: "/opt/java"})
func CollectRoot(programs []string, folders ...Folder) (Root, error) {
	c := &collector{
		root: Root{Folders: folders}, have: map[string]bool{}, found: map[string]bool{},
		search: searchFolders(),
	}
	for _, p := range programs {
		if err := c.program(p); err != nil {
			return Root{}, fmt.Errorf("collect %s: %w", p, err)
		}
	}
	for _, f := range folders {
		if err := c.folder(f); err != nil {
			return Root{}, fmt.Errorf("collect the folder %s: %w", f.Source, err)
		}
	}
	slices.SortFunc(c.root.Files, func(a, b File) int { return strings.Compare(a.Target, b.Target) })
	slices.Sort(c.root.Missing)
	return c.root, nil
}

type collector struct {
	root   Root
	have   map[string]bool // targets that are in Files
	found  map[string]bool // objects whose needs are met
	search []string        // where the loader looks by itself
}

// object is one ELF file as the loader sees it.
type object struct {
	path    string // real
	class   elf.Class
	machine elf.Machine
	interp  string
	needed  []string
	rpath   []string // with $ORIGIN filled in; of its loaders too
	runpath []string
}

func (c *collector) program(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	o, err := readObject(real)
	if err != nil {
		return err
	}
	target := real
	if f, in := c.inFolder(real); in {
		rel, err := filepath.Rel(f.Source, real)
		if err != nil {
			return err
		}
		target = filepath.Join(f.Target, rel)
	} else {
		c.add(File{Source: real, Target: real, Mode: 0o755})
		if asked, err := filepath.Abs(path); err == nil && asked != real {
			c.add(File{Target: asked, Link: real})
		}
	}
	c.root.Programs = append(c.root.Programs, target)
	missing, err := c.needs(o)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("this machine lacks %s", strings.Join(missing, ", "))
	}
	return err
}

func (c *collector) inFolder(path string) (Folder, bool) {
	for _, f := range c.root.Folders {
		if _, in := within(path, f.Source); in {
			return f, true
		}
	}
	return Folder{}, false
}

func (c *collector) add(f File) {
	if !c.have[f.Target] {
		c.have[f.Target] = true
		c.root.Files = append(c.root.Files, f)
	}
}

// needs collects what o names: its loader and its libraries, and theirs. It returns what could not be found.
func (c *collector) needs(o *object) (missing []string, err error) {
	if c.found[o.path] {
		return nil, nil
	}
	c.found[o.path] = true
	if o.interp != "" {
		real, err := filepath.EvalSymlinks(o.interp)
		if err != nil {
			return nil, fmt.Errorf("its loader %s: %w", o.interp, err)
		}
		c.add(File{Source: real, Target: filepath.Clean(o.interp), Mode: 0o755})
	}
	for _, name := range o.needed {
		lib, target, err := c.library(o, name)
		if err != nil {
			return nil, err
		}
		if lib == nil {
			missing = append(missing, name)
			continue
		}
		if _, in := c.inFolder(lib.path); !in {
			c.add(File{Source: lib.path, Target: target, Mode: 0o644})
		}
		lib.rpath = append(lib.rpath, o.rpath...)
		more, err := c.needs(lib)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		missing = append(missing, more...)
	}
	return missing, nil
}

// library looks for one library in the order of the loader, and says where it must be in the image to be found there.
func (c *collector) library(o *object, name string) (lib *object, target string, err error) {
	if strings.Contains(name, "/") {
		lib, err = usable(o, name)
		return lib, name, err
	}
	own := o.runpath
	if len(own) == 0 {
		own = o.rpath
	}
	for _, dir := range own {
		if lib, err := usable(o, filepath.Join(dir, name)); lib != nil || err != nil {
			return lib, filepath.Join(realFolder(dir), name), err
		}
	}
	for _, dir := range c.search {
		lib, err := usable(o, filepath.Join(dir, name))
		if err != nil {
			return nil, "", err
		}
		if lib == nil {
			continue
		}
		target := realFolder(dir)
		if !slices.Contains(builtIn(), target) {
			// In the image there is no configuration of the loader: only its built-in folders are searched.
			target = c.builtInFolder(o)
		}
		return lib, filepath.Join(target, name), nil
	}
	return nil, "", nil
}

// builtInFolder is the folder that the loader of this machine searches by itself: where its C library is.
func (c *collector) builtInFolder(o *object) string {
	for _, dir := range builtIn() {
		for _, libc := range []string{"libc.so.6", "libc.so"} {
			if lib, err := usable(o, filepath.Join(dir, libc)); err == nil && lib != nil {
				return realFolder(dir)
			}
		}
	}
	return "/usr/lib"
}

func realFolder(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return filepath.Clean(dir)
}

// usable opens a candidate; nil when it is not there, or is for another kind of machine.
func usable(o *object, path string) (*object, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lib, err := readObject(real)
	if err != nil || lib.class != o.class || lib.machine != o.machine {
		return nil, nil //nolint:nilerr // the loader passes over what it cannot use
	}
	return lib, nil
}

var errNotELF = errors.New("it is not a program of this machine (ELF); for a script, collect its interpreter")

func readObject(path string) (*object, error) {
	file, _, err := openFile(path, "")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, errNotELF
	}
	o := &object{path: path, class: f.Class, machine: f.Machine}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > maxPath {
			continue
		}
		text := make([]byte, p.Filesz)
		if _, err := p.ReadAt(text, 0); err != nil {
			return nil, fmt.Errorf("read the name of its loader: %w", err)
		}
		o.interp = strings.TrimRight(string(text), "\x00")
	}
	// A statically linked program has no dynamic section and needs nothing.
	o.needed, _ = f.DynString(elf.DT_NEEDED)
	o.runpath = folders(f, elf.DT_RUNPATH, path)
	if len(o.runpath) == 0 {
		o.rpath = folders(f, elf.DT_RPATH, path)
	}
	return o, nil
}

// folders reads a search path of an object.
func folders(f *elf.File, tag elf.DynTag, path string) []string {
	values, err := f.DynString(tag)
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range values {
		for _, dir := range strings.Split(v, ":") {
			origin := filepath.Dir(path)
			dir = strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin, "${LIB}", "lib", "$LIB", "lib").Replace(dir)
			if filepath.IsAbs(dir) {
				out = append(out, filepath.Clean(dir))
			}
		}
	}
	return out
}

// folder collects the needs of what is in a folder.
func (c *collector) folder(f Folder) error {
	source, err := filepath.Abs(f.Source)
	if err != nil {
		return err
	}
	w := &walker{folder: f}
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if rel, err := filepath.Rel(source, path); err == nil && rel != "." && w.excluded(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !mayBeObject(d) {
			return nil
		}
		o, err := readObject(path)
		if err != nil {
			return nil //nolint:nilerr // most files are no objects
		}
		missing, err := c.needs(o)
		for _, name := range missing {
			if !c.holds(name) {
				c.root.Missing = append(c.root.Missing, fmt.Sprintf("%s (wanted by %s)", name, path))
			}
		}
		return err
	})
}

// holds says whether a library is somewhere in the folders, where a launcher may find it in ways of its own.
func (c *collector) holds(name string) bool {
	for _, f := range c.root.Folders {
		found := false
		_ = filepath.WalkDir(f.Source, func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Base(path) == name {
				found = true
				return fs.SkipAll
			}
			return nil
		})
		if found {
			return true
		}
	}
	return false
}

func mayBeObject(d fs.DirEntry) bool {
	if strings.Contains(d.Name(), ".so") || strings.HasSuffix(d.Name(), ".node") {
		return true
	}
	info, err := d.Info()
	return err == nil && info.Mode()&0o111 != 0
}

// builtIn are the folders that loaders search without being told to, on the distributions in use.
func builtIn() []string {
	return []string{
		"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/lib64", "/usr/lib64", "/lib", "/usr/lib",
	}
}

// searchFolders are the configured folders, then the built-in ones.
func searchFolders() []string {
	out := configured("/etc/ld.so.conf", 0)
	for _, dir := range builtIn() {
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// configured reads the loader's configuration; what cannot be read is passed over, as ldconfig does.
func configured(file string, depth int) []string {
	text, err := os.ReadFile(file)
	if err != nil || depth > maxDepth {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if pattern, ok := strings.CutPrefix(line, "include"); ok {
			files, err := filepath.Glob(strings.TrimSpace(pattern))
			if err != nil {
				continue
			}
			for _, f := range files {
				out = append(out, configured(f, depth+1)...)
			}
			continue
		}
		if dir := strings.TrimSpace(line); filepath.IsAbs(dir) {
			out = append(out, filepath.Clean(dir))
		}
	}
	return out
}
