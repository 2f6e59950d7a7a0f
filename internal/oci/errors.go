package oci

import "errors"

var (
	// ErrNotFound says that the registry has no such image.
	ErrNotFound = errors.New("the registry has no such image")
	// ErrUnsigned says that an image carries no signature of the key asked for.
	ErrUnsigned = errors.New("the image is not signed by this key")
	// ErrTampered says that content is not what its digest or its signature says.
	ErrTampered = errors.New("the content is not what was signed or announced")
	// ErrRefused says that an image cannot be unpacked safely, or not within the limits.
	ErrRefused = errors.New("the image is refused")
	// ErrPassword says that a private key does not open with the password given.
	ErrPassword = errors.New("the password does not open the private key")
)
