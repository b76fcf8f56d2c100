package release

import _ "embed"

// Schema is the JSON Schema of release.yaml.
//
//go:embed release.schema.json
var Schema []byte
