// Package registry is an image registry inside the platform: the distribution
// protocol of OCI at /v2/, as Harbor and every other registry speak it, and an
// API of its own by which the console and the command line look into it.
//
// # What does what
//
// The protocol's reference implementation, github.com/distribution/distribution,
// takes and gives blobs, manifests and tags and keeps them as files in the
// module's folder. Around it stands a front ([server]) that adds what it leaves
// open:
//
//   - who may: pull needs registry:read, push registry:write, deletion
//     registry:admin; the password of HTTP Basic is an API token;
//   - bounds on what one request may send;
//   - that what was acknowledged is on the disk, and that a manifest never names a
//     blob that is missing or of another size, after kill -9 too;
//   - that damage is found: content is digested as it is read, and what does not
//     match is set aside, so that pushing it again mends it;
//   - the referrers of a manifest, which distribution does not know;
//   - garbage collection beside running pushes.
//
// # The index
//
// Files are the truth. What lists and garbage collection need of them is read
// into memory once, and kept in step with each push and deletion. There is no
// database, so there is nothing that could disagree with the files.
//
// The reasons are in docs/adr/0019-the-registry-is-distribution-behind-a-front.md.
package registry
