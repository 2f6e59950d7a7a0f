// Package road goes the whole delivery road as a person does: the real program, started as a process
// of its own, the git program, a browser's requests, and nothing else. A commit is pushed, built,
// tested, scanned, packed, promoted, rolled out, and its metrics are held against its timestamps; then
// it is broken in every way in which commits break.
package road
