package openapi

import "strings"

// Key is an access key of Alibaba Cloud; Token is set where it is temporary.
type Key struct{ ID, Secret, Token string }

// String shows nothing of the key.
func (Key) String() string { return "(access key)" }

// hide takes what is secret out of a text.
func (k Key) hide(text string) string {
	for _, secret := range []string{k.Token, k.Secret, k.ID} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// Ways says how to give credentials, a way a line.
func Ways() string {
	return `  ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET (and ALIBABA_CLOUD_SECURITY_TOKEN) in the environment
  ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE, as in CI
  a profile of the aliyun command: aliyun configure
  ~/.alibabacloud/credentials, or the file in ALIBABA_CLOUD_CREDENTIALS_FILE
  on an ECS instance: a RAM role attached to it (ALIBABA_CLOUD_ECS_METADATA names it)`
}
