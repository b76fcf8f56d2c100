// Package deps holds requirements until they are used.
package deps

import (
	_ "github.com/CycloneDX/cyclonedx-go"
	_ "github.com/Shopify/toxiproxy/v2"
	_ "github.com/chromedp/chromedp"
	_ "github.com/package-url/packageurl-go"
	_ "github.com/secure-systems-lab/go-securesystemslib/dsse"
	_ "github.com/secure-systems-lab/go-securesystemslib/encrypted"
	_ "github.com/sigstore/sigstore/pkg/cryptoutils"
	_ "github.com/sigstore/sigstore/pkg/signature"
	_ "github.com/in-toto/attestation/go/v1"
	_ "github.com/in-toto/attestation/go/predicates/provenance/v1"
	_ "github.com/spdx/tools-golang/spdx/v2/v2_3"
	_ "golang.org/x/time/rate"
)
