// Package manifest reads Kubernetes manifests for a machine without containers.
//
// [Check] says what of an application's objects cannot be done here, by kind, name and JSON path; it holds every
// field of every kind against one table ([Fields]), in which each field is supported, harmless for a reason, or
// refused with what to do instead. A field that is in no row cannot be: a test walks the Kubernetes types. What
// passes is read by [Decode], and turned by [NewTemplate], [Entries] and [Routes] into what a process needs:
// its environment, files, ports and probes, with everything looked up that ConfigMaps and Services say.
//
// The package does nothing: it opens no files, starts no processes and has no clock.
package manifest
