package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	typeSimpleSigning   = types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
	annotationSignature = "dev.cosignproject.cosign/signature"
	kindSignature       = "cosign container image signature"

	maxPayload    = 1 << 20 // bytes of one signed payload
	maxSignatures = 64      // that are looked at
)

// payload is what is signed: a claim about one manifest.
type payload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// Signature is a signature that holds.
type Signature struct {
	Digest      string            // of the manifest it speaks of
	Reference   string            // the repository named when it was signed
	KeyID       string            // of the key it was checked with
	Annotations map[string]string // what was signed along with the digest
}

// Sign signs the image that ref names by digest, with annotations that the signature covers. Signing again with the
// same key and the same annotations changes nothing; other signatures stay.
func (r Registry) Sign(ctx context.Context, ref string, s *Signer, annotations map[string]string) error {
	at, subject, err := r.subject(ctx, ref)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	text, err := newPayload(at.Context().Name(), subject.Digest, annotations)
	if err != nil {
		return fmt.Errorf("sign %s: %w", ref, err)
	}
	signatures, err := r.signatures(ctx, at)
	switch {
	case errors.Is(err, ErrNotFound):
		signatures = noSignatures()
	case err != nil:
		return fmt.Errorf("sign %s: %w", ref, err)
	}
	signatures, added, err := s.add(signatures, text)
	if err != nil {
		return fmt.Errorf("sign %s: %w", ref, err)
	}
	if !added {
		return nil
	}
	if err := remote.Write(beside(at, "sig"), signatures, r.options(ctx)...); err != nil {
		return fmt.Errorf("sign %s: %w", ref, known(err))
	}
	return nil
}

// noSignatures is the image that signatures are added to.
func noSignatures() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// add adds a signature of text, unless one by this key is there.
func (s *Signer) add(signatures v1.Image, text []byte) (out v1.Image, added bool, err error) {
	v, err := s.Verifier()
	if err != nil {
		return nil, false, err
	}
	if there, err := holds(signatures, v, text); err != nil || there {
		return signatures, false, err
	}
	signature, err := s.sign(text)
	if err != nil {
		return nil, false, err
	}
	out, err = mutate.Append(signatures, mutate.Addendum{
		Layer: static.NewLayer(text, typeSimpleSigning), MediaType: typeSimpleSigning,
		Annotations: map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(signature)},
	})
	return out, err == nil, err
}

func newPayload(repository string, digest v1.Hash, annotations map[string]string) ([]byte, error) {
	var p payload
	p.Critical.Identity.Reference = repository
	p.Critical.Image.Digest = digest.String()
	p.Critical.Type = kindSignature
	for k, v := range annotations {
		if p.Optional == nil {
			p.Optional = map[string]any{}
		}
		p.Optional[k] = v
	}
	return json.Marshal(p)
}

func (r Registry) signatures(ctx context.Context, at name.Digest) (v1.Image, error) {
	img, err := remote.Image(beside(at, "sig"), r.options(ctx)...)
	if err != nil {
		return nil, known(err)
	}
	return img, nil
}

// holds says whether the signatures have one of this payload by this key.
func holds(signatures v1.Image, v *Verifier, text []byte) (bool, error) {
	manifest, err := signatures.Manifest()
	if err != nil {
		return false, err
	}
	for _, d := range manifest.Layers {
		signed, signature, err := claim(signatures, d)
		if err == nil && bytes.Equal(signed, text) && v.verify(signed, signature) {
			return true, nil
		}
	}
	return false, nil
}

// claim reads one payload and its signature.
func claim(signatures v1.Image, d v1.Descriptor) (text, signature []byte, err error) {
	if d.MediaType != typeSimpleSigning {
		return nil, nil, fmt.Errorf("the layer %s is a %s", d.Digest, d.MediaType)
	}
	signature, err = base64.StdEncoding.DecodeString(d.Annotations[annotationSignature])
	if err != nil || len(signature) == 0 {
		return nil, nil, fmt.Errorf("the layer %s carries no signature", d.Digest)
	}
	text, err = blob(signatures, d, maxPayload)
	return text, signature, err
}

// VerifySignature finds out what ref means now, and checks that this very manifest was signed by v's key. It reads no
// layer: Unpack and Check do that. ErrUnsigned when no signature of this key is there, ErrTampered when the
// signature that is there speaks of another manifest; both name the digest.
func (r Registry) VerifySignature(ctx context.Context, ref string, v *Verifier) (Signature, error) {
	at, err := r.parse(ref)
	if err != nil {
		return Signature{}, err
	}
	d, err := remote.Get(at, r.options(ctx)...)
	if err != nil {
		return Signature{}, fmt.Errorf("verify %s: %w", ref, mismatch(err))
	}
	if got, err := hashOf(d.Manifest); err != nil || got != d.Digest {
		return Signature{}, fmt.Errorf("verify %s: %w: the manifest %s has the digest %s", ref, ErrTampered, d.Digest, got)
	}
	signatures, err := r.signatures(ctx, at.Context().Digest(d.Digest.String()))
	if errors.Is(err, ErrNotFound) {
		return Signature{}, fmt.Errorf("verify %s: %w: %s carries no signature at all", ref, ErrUnsigned, d.Digest)
	}
	if err != nil {
		return Signature{}, fmt.Errorf("verify %s: the signatures of %s: %w", ref, d.Digest, mismatch(err))
	}
	s, err := v.judge(signatures, d.Digest)
	if err != nil {
		return Signature{}, fmt.Errorf("verify %s: %w", ref, err)
	}
	return s, nil
}

// judge looks for one signature that holds for digest.
func (v *Verifier) judge(signatures v1.Image, digest v1.Hash) (Signature, error) {
	manifest, err := signatures.Manifest()
	if err != nil {
		return Signature{}, fmt.Errorf("%w: the signatures of %s: %w", ErrTampered, digest, err)
	}
	if len(manifest.Layers) > maxSignatures {
		return Signature{}, fmt.Errorf("%w: %s carries %d signatures, the limit is %d", ErrRefused, digest, len(manifest.Layers), maxSignatures)
	}
	worst := fmt.Errorf("%w: none of the %d signatures of %s is by the key %.12s", ErrUnsigned, len(manifest.Layers), digest, v.id)
	for _, d := range manifest.Layers {
		text, signature, err := claim(signatures, d)
		if errors.Is(err, ErrTampered) {
			worst = fmt.Errorf("a signature of %s: %w", digest, err)
		}
		if err != nil || !v.verify(text, signature) {
			continue
		}
		var p payload
		if err := json.Unmarshal(text, &p); err != nil || p.Critical.Type != kindSignature {
			worst = fmt.Errorf("%w: what the key signed beside %s is not a claim about an image", ErrTampered, digest)
			continue
		}
		if p.Critical.Image.Digest != digest.String() {
			worst = fmt.Errorf("%w: the image is %s, its signature is about %s", ErrTampered, digest, p.Critical.Image.Digest)
			continue
		}
		return Signature{Digest: digest.String(), Reference: p.Critical.Identity.Reference, KeyID: v.id, Annotations: texts(p.Optional)}, nil
	}
	return Signature{}, worst
}

func texts(m map[string]any) map[string]string {
	out := make(map[string]string, len(m))
	for k := range maps.Keys(m) {
		if s, ok := m[k].(string); ok {
			out[k] = s
		}
	}
	return out
}

// Verify is VerifySignature, and reads all of the image to see that each part has the digest that the signed manifest
// gives it.
func (r Registry) Verify(ctx context.Context, ref string, v *Verifier) (Signature, error) {
	s, err := r.VerifySignature(ctx, ref, v)
	if err != nil {
		return Signature{}, err
	}
	at, err := r.parse(ref)
	if err != nil {
		return Signature{}, err
	}
	img, err := remote.Image(at.Context().Digest(s.Digest), r.options(ctx)...)
	if err != nil {
		return Signature{}, fmt.Errorf("verify %s: %w", ref, mismatch(err))
	}
	if err := Check(ctx, img); err != nil {
		return Signature{}, fmt.Errorf("verify %s: %w", ref, err)
	}
	return s, nil
}
