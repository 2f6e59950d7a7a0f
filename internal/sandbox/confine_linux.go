package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// prepare makes the calling thread, from which the program is forked, what the program shall be.
func (k *keeper) prepare() error {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0) // before the platform, when memory runs out
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of orphans: %w", err)
	}
	if err := k.enterNamespaces(); err != nil {
		return err
	}
	var rules *ruleset
	if k.order.Confined {
		var err error
		if rules, err = k.makeRules(); err != nil {
			return err
		}
	}
	if err := k.enterRoot(); err != nil {
		return err
	}
	if err := setLimits(k.order.Limits); err != nil {
		return err
	}
	k.boundTasks()
	// The keeper's other threads stay as they are; nothing that is confined may trace this process to reach them.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid tracing the keeper: %w", err)
	}
	if k.order.Confined || k.order.Root != "" {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("forbid new privileges: %w", err)
		}
		if err := dropCapabilities(); err != nil {
			return err
		}
	} else if k.order.Namespaces.User {
		if err := clearAmbient(); err != nil {
			return err
		}
	}
	if rules != nil {
		return rules.restrict()
	}
	return nil
}

// setLimits sets the limits that the kernel holds for each process.
func setLimits(l Limits) error {
	for _, r := range []struct {
		what     string
		resource int
		value    int64
	}{
		{"open files", unix.RLIMIT_NOFILE, int64(l.OpenFiles)},
		{"file size", unix.RLIMIT_FSIZE, l.FileSize},
	} {
		if r.value <= 0 {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(r.resource, &now); err != nil {
			return fmt.Errorf("read the limit of %s: %w", r.what, err)
		}
		most := min(uint64(r.value), now.Max)
		if err := unix.Setrlimit(r.resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", r.what, r.value, err)
		}
	}
	// A core of a program that failed would hold its memory; nobody asked for one.
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// The tasks that the kernel lets a tree have for each process of its limit: programs have threads.
const (
	tasksEach = 8
	tasksMore = 128
	tasksMost = 16 << 10
)

// boundTasks has the kernel bound processes and threads, so that a bomb that outruns the watch stays small. For root
// that is the namespace's own pid_max, which the kernel has since 6.14; for others the limit of a user, which counts
// in a user namespace only what is in it.
func (k *keeper) boundTasks() {
	if k.order.Limits.Processes <= 0 {
		return
	}
	most := min(k.order.Limits.Processes*tasksEach+tasksMore, tasksMost)
	n := k.order.Namespaces
	switch {
	case n.PID && os.Geteuid() == 0 && kernelAtLeast(6, 14):
		const reserved = 301 // numbers that the kernel does not give again
		if os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.Itoa(reserved+most)), 0) == nil {
			return
		}
	case n.User && os.Geteuid() != 0:
		var now unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NPROC, &now) == nil {
			bound := min(uint64(most), now.Max)
			if unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: bound, Max: bound}) == nil {
				return
			}
		}
	}
	k.note("processes are bounded by watching alone")
}

// kernelAtLeast compares the kernel's version; a setting that is the namespace's in a newer one is the machine's before.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b int
	if n, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); n != 2 || err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}

// dropCapabilities takes every capability from the thread, for ever.
func dropCapabilities() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil &&
			!errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return clearAmbient()
}

// clearAmbient takes the capabilities that the keeper has in its user namespace from what it executes. In root's
// own namespace they would come back with the next execution, were they not taken from the bounding set too.
func clearAmbient() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// Landlock's rights. A file may have the first group only; a folder has both.
const (
	readFile  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	writeFile = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	readAll   = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	writeAll  = writeFile | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	devices = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK // handled, never given
)

// handled are the rights that a Landlock of the given version can refuse, and what it lacks, in words.
func handled(abi int) (files, scoped uint64, lacking []string) {
	files = readAll | writeAll | devices
	if abi < 2 {
		files &^= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi < 3 {
		files &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		lacking = append(lacking, "truncating files outside is not refused")
	}
	if abi < 5 {
		files &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi < 6 {
		lacking = append(lacking, "abstract sockets are not refused")
	} else {
		scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return files, scoped, lacking
}

// landlockABI is the version of Landlock that the kernel has; 0 for none, and why.
func landlockABI() (abi int, lack string) {
	v, _, no := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errors.Is(no, unix.ENOSYS):
		return 0, "this kernel has none"
	case errors.Is(no, unix.EOPNOTSUPP):
		return 0, "it is switched off at the kernel's start"
	case no != 0:
		return 0, no.Error()
	}
	return int(v), ""
}

// ruleset is a Landlock ruleset that is being made; nil where there is no Landlock.
type ruleset struct {
	fd    int
	files uint64
}

// makeRules opens every file that the program may use, while they can still be named as the host names them.
func (k *keeper) makeRules() (*ruleset, error) {
	abi, lack := landlockABI()
	if abi == 0 {
		k.note("no Landlock: " + lack + ": the program can read what this user can read")
		return nil, nil
	}
	files, scoped, lacking := handled(abi)
	for _, l := range lacking {
		k.note(fmt.Sprintf("Landlock version %d: %s", abi, l))
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: files, Scoped: scoped}
	fd, _, no := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if no != 0 {
		return nil, fmt.Errorf("make a Landlock ruleset: %w", no)
	}
	r := &ruleset{fd: int(fd), files: files}
	unix.CloseOnExec(r.fd)
	for _, path := range k.order.Read {
		if err := r.allow(path, readAll); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	for _, path := range k.order.Write {
		if err := r.allow(path, readAll|writeAll); err != nil {
			return nil, err
		}
	}
	dev := "/dev"
	proc := "/proc"
	if k.order.Root != "" {
		dev, proc = filepath.Join(k.order.Root, "dev"), filepath.Join(k.order.Root, "proc")
	}
	always := map[string]uint64{
		proc:                               readAll,
		"/sys/kernel/mm":                   readAll, // runtimes ask for the size of huge pages
		"/sys/devices/system/cpu":          readAll, // and for the number of processors
		filepath.Join(dev, "null"):         readAll | writeAll,
		filepath.Join(dev, "zero"):         readAll | writeAll,
		filepath.Join(dev, "full"):         readAll | writeAll,
		filepath.Join(dev, "random"):       readAll,
		filepath.Join(dev, "urandom"):      readAll,
		filepath.Join(dev, "fd"):           readAll,
		"/etc/ld.so.cache":                 readAll,
		"/etc/localtime":                   readAll,
		"/etc/nsswitch.conf":               readAll,
		"/etc/passwd":                      readAll,
		"/etc/group":                       readAll,
		"/etc/hosts":                       readAll,
		"/etc/resolv.conf":                 readAll,
		"/etc/ssl/certs":                   readAll,
		"/etc/pki/tls/certs":               readAll,
		"/etc/ca-certificates":             readAll,
		"/usr/share/ca-certificates":       readAll,
		"/usr/local/share/ca-certificates": readAll,
	}
	if k.report.PIDNamespace {
		always[filepath.Join(dev, "shm")] = readAll | writeAll // a new one, empty
	}
	for path, rights := range always {
		if err := r.allow(path, rights); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	k.report.Landlock = true
	return r, nil
}

// allow gives the rights, as far as they make sense for what path is.
func (r *ruleset) allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOTDIR) {
			err = os.ErrNotExist // what this user cannot reach need not be given
		}
		return fmt.Errorf("give the program %s: %w", path, err)
	}
	defer closeFD(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("give the program %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= readFile | writeFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.files, Parent_fd: int32(fd)}
	_, _, no := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if no != 0 {
		return fmt.Errorf("give the program %s: %w", path, no)
	}
	return nil
}

// restrict puts the calling thread, and all it starts, under the rules, for ever.
func (r *ruleset) restrict() error {
	defer closeFD(r.fd)
	if _, _, no := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); no != 0 {
		return fmt.Errorf("apply the Landlock rules: %w", no)
	}
	return nil
}

func (k *keeper) note(text string) { k.report.Notes = append(k.report.Notes, text) }

// closeFD closes a descriptor that was only looked through.
func closeFD(fd int) { _ = unix.Close(fd) }
