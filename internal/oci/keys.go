package oci

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
)

const (
	privateType    = "ENCRYPTED SIGSTORE PRIVATE KEY"
	privateTypeOld = "ENCRYPTED COSIGN PRIVATE KEY"
	publicType     = "PUBLIC KEY"

	maxKey   = 64 << 10 // bytes of a PEM file
	saltSize = 32
	// scryptCost is the least that cosign reads. The passwords of the platform's keys have 256 random bits, which no
	// cost makes stronger; whoever chooses one had better choose it long.
	scryptCost = 1 << 15
)

// sealed is the JSON inside of cosign's private keys.
type sealed struct {
	KDF struct {
		Name   string       `json:"name"`
		Params scryptParams `json:"params"`
		Salt   []byte       `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"`
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

type scryptParams struct {
	N int `json:"N"`
	R int `json:"r"`
	P int `json:"p"`
}

// known says whether the costs are among the three that cosign writes. Others are refused: a key file could
// otherwise make its reader compute for hours.
func (p scryptParams) known() bool {
	return p.R == 8 && p.P == 1 && (p.N == 1<<15 || p.N == 1<<16 || p.N == 1<<17)
}

// Signer signs with a private key.
type Signer struct{ key *ecdsa.PrivateKey }

// Verifier checks signatures by a public key.
type Verifier struct {
	key *ecdsa.PublicKey
	id  string
}

// GenerateKeys makes an ECDSA P-256 pair as "cosign generate-key-pair" does: cosign.key, encrypted under password,
// and cosign.pub.
func GenerateKeys(password []byte) (privatePEM, publicPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("write the private key: %w", err)
	}
	text, err := seal(der, password)
	if err != nil {
		return nil, nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("write the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: text}),
		pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: public}), nil
}

func seal(plain, password []byte) ([]byte, error) {
	var s sealed
	s.KDF.Name, s.KDF.Params = "scrypt", scryptParams{N: scryptCost, R: 8, P: 1}
	s.Cipher.Name = "nacl/secretbox"
	var nonce [24]byte
	s.KDF.Salt = make([]byte, saltSize)
	_, _ = rand.Read(s.KDF.Salt) // documented never to fail
	_, _ = rand.Read(nonce[:])
	s.Cipher.Nonce = nonce[:]
	key, err := derive(password, s.KDF.Salt, s.KDF.Params)
	if err != nil {
		return nil, err
	}
	s.Ciphertext = secretbox.Seal(nil, plain, &nonce, &key)
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the encrypted key: %w", err)
	}
	return text, nil
}

func derive(password, salt []byte, p scryptParams) (key [32]byte, err error) {
	b, err := scrypt.Key(password, salt, p.N, p.R, p.P, len(key))
	if err != nil {
		return key, fmt.Errorf("derive the key from the password: %w", err)
	}
	copy(key[:], b)
	return key, nil
}

// LoadSigner opens a private key in cosign's form. ErrPassword when the password does not fit.
func LoadSigner(privatePEM, password []byte) (*Signer, error) {
	block, err := block(privatePEM, privateType, privateTypeOld)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	der, err := unseal(block, password)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("read the private key: its content is not PKCS #8")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("read the private key: it is not ECDSA on P-256")
	}
	return &Signer{key: key}, nil
}

func unseal(text, password []byte) ([]byte, error) {
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, errors.New("its content is not the JSON that cosign writes")
	}
	switch {
	case s.KDF.Name != "scrypt":
		return nil, fmt.Errorf("its key derivation is %.40q, want scrypt", s.KDF.Name)
	case !s.KDF.Params.known():
		return nil, fmt.Errorf("its scrypt parameters N=%d r=%d p=%d are not among cosign's", s.KDF.Params.N, s.KDF.Params.R, s.KDF.Params.P)
	case s.Cipher.Name != "nacl/secretbox":
		return nil, fmt.Errorf("its cipher is %.40q, want nacl/secretbox", s.Cipher.Name)
	case len(s.Cipher.Nonce) != 24:
		return nil, fmt.Errorf("its nonce has %d bytes, want 24", len(s.Cipher.Nonce))
	}
	key, err := derive(password, s.KDF.Salt, s.KDF.Params)
	if err != nil {
		return nil, err
	}
	plain, ok := secretbox.Open(nil, s.Ciphertext, (*[24]byte)(s.Cipher.Nonce), &key)
	if !ok {
		return nil, ErrPassword
	}
	return plain, nil
}

// block returns the content of a PEM file of one block of one of these types.
func block(text []byte, kinds ...string) ([]byte, error) {
	if len(text) > maxKey {
		return nil, fmt.Errorf("it is longer than %d bytes", maxKey)
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, errors.New("it is not PEM")
	}
	for _, kind := range kinds {
		if b.Type == kind {
			return b.Bytes, nil
		}
	}
	return nil, fmt.Errorf("it is a %.60q, want %q", b.Type, kinds[0])
}

// LoadVerifier reads a public key, as cosign.pub holds it.
func LoadVerifier(publicPEM []byte) (*Verifier, error) {
	der, err := block(publicPEM, publicType)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("read the public key: its content is not PKIX")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("read the public key: it is not ECDSA on P-256")
	}
	return newVerifier(key)
}

func newVerifier(key *ecdsa.PublicKey) (*Verifier, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("write the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return &Verifier{key: key, id: hex.EncodeToString(sum[:])}, nil
}

// Verifier is the check for what this signer signs.
func (s *Signer) Verifier() (*Verifier, error) { return newVerifier(&s.key.PublicKey) }

// KeyID is the SHA-256 of the public key in hex, for people to tell keys apart.
func (v *Verifier) KeyID() string { return v.id }

func (s *Signer) sign(payload []byte) ([]byte, error) {
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}

func (v *Verifier) verify(payload, signature []byte) bool {
	if v.key == nil {
		return false // the zero Verifier believes nobody
	}
	sum := sha256.Sum256(payload)
	return ecdsa.VerifyASN1(v.key, sum[:], signature)
}
