// Package oci makes, moves, signs and unpacks container images, without a
// daemon and without a container runtime.
//
// # Making
//
// [Pack] lays files and folders of this machine over a minimal base that it makes
// itself. The same content gives the same digest: entries are sorted, their times
// are the epoch, their owner is root, and nothing of the machine gets in. A
// program that needs an interpreter brings it along: [CollectRoot] finds the
// shared libraries of a program as the dynamic loader would.
//
//	root, err := oci.CollectRoot([]string{"/usr/bin/node"})
//	img, err := oci.Pack(oci.ImageSpec{Folders: append(root.Folders, app), Files: root.Files, Entrypoint: …})
//
// # Moving
//
// [Registry] speaks the distribution protocol of OCI, so that the platform's own
// registry, Harbor and any other take and give the same bytes. A reference is
// "host/repository:tag" or "host/repository@sha256:…".
//
// # Signing
//
// Keys, signatures and their places are those of cosign: what is signed here
// verifies with "cosign verify --key", and the other way around. A signature
// speaks of a digest, never of a tag.
//
// # Unpacking
//
// [Unpack] trusts nothing of an image: every layer must have the digest that the
// manifest gives it, and no entry may reach outside of the folder. What it
// refuses it names: the layer, the entry, and why.
package oci
