package debian

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxClockSkew is how far in the future a signature or a Release's date may
// lie: clocks differ a little.
const maxClockSkew = time.Hour

// maxSignatures bounds the work that a file can ask for.
const maxSignatures = 16

// verifyClearsigned checks a clearsigned file (RFC 9580, section 7) and returns
// exactly the text that is signed, and the fingerprints of the certificates in
// keys (primary keys, upper-case hex, sorted) that made valid signatures. At
// least one is needed: signatures by unknown keys are no error, since an archive
// signs for machines of several releases. A bad signature by a known key is one.
//
// A signature is valid when its key was not expired at the time the signature
// was made, and that time is not after now.
func verifyClearsigned(data []byte, keys openpgp.EntityList, now time.Time) (text []byte, signers []string, err error) {
	if !bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		return nil, nil, errors.New("the file does not begin with a signed message")
	}
	block, rest := clearsign.Decode(data)
	if block == nil {
		return nil, nil, errors.New("the signed message is damaged or cut off")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, nil, errors.New("there is text after the signature")
	}
	packets := packet.NewOpaqueReader(block.ArmoredSignature.Body)
	var unknown []string
	for n := 0; ; n++ {
		raw, err := packets.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the signature: %w", err)
		}
		if n == maxSignatures {
			return nil, nil, fmt.Errorf("more than %d signatures", maxSignatures)
		}
		signer, err := verifyOne(block.Bytes, raw, keys, now)
		switch {
		case err != nil:
			return nil, nil, err
		case signer.known:
			signers = append(signers, signer.fingerprint)
		default:
			unknown = append(unknown, signer.fingerprint)
		}
	}
	if len(signers) == 0 {
		if len(unknown) == 0 {
			return nil, nil, errors.New("the file has no signature")
		}
		return nil, nil, fmt.Errorf("signed only by keys that imgbuild does not know: %s", strings.Join(unknown, ", "))
	}
	slices.Sort(signers)
	// The hash was taken over lines that end in CRLF (RFC 9580, 7.2).
	return bytes.ReplaceAll(block.Bytes, []byte("\r\n"), []byte("\n")), slices.Compact(signers), nil
}

// signer is who made one signature: a fingerprint of our keyring, or what an
// unknown key calls itself.
type signer struct {
	fingerprint string
	known       bool
}

func verifyOne(signed []byte, raw *packet.OpaquePacket, keys openpgp.EntityList, now time.Time) (signer, error) {
	p, err := raw.Parse()
	if err != nil {
		return signer{}, fmt.Errorf("reading the signature: %w", err)
	}
	sig, ok := p.(*packet.Signature)
	if !ok || sig.IssuerKeyId == nil {
		return signer{}, errors.New("the signature holds something else than signatures")
	}
	id := fmt.Sprintf("%016X", *sig.IssuerKeyId)
	if len(keys.KeysByIdUsage(*sig.IssuerKeyId, packet.KeyFlagSign)) == 0 {
		return signer{fingerprint: id}, nil
	}
	if !slices.Contains([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}, sig.Hash) {
		return signer{}, fmt.Errorf("the signature of key %s uses the weak hash %s", id, sig.Hash)
	}
	if sig.CreationTime.After(now.Add(maxClockSkew)) {
		return signer{}, fmt.Errorf("the signature of key %s was made in the future, at %s; is this machine's clock right?", id, sig.CreationTime.UTC().Format(time.RFC3339))
	}
	if sig.SigExpired(now) {
		return signer{}, fmt.Errorf("the signature of key %s has expired", id)
	}
	var one bytes.Buffer
	if err := raw.Serialize(&one); err != nil {
		return signer{}, fmt.Errorf("reading the signature: %w", err)
	}
	// The time of the check is that of the signature: a key that expired
	// since does not undo what it signed before.
	config := &packet.Config{Time: func() time.Time { return sig.CreationTime }}
	entity, err := openpgp.CheckDetachedSignature(keys, bytes.NewReader(signed), &one, config)
	if err != nil {
		return signer{}, fmt.Errorf("the signature of key %s is not valid: %w", id, err)
	}
	return signer{fingerprint: fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint), known: true}, nil
}
