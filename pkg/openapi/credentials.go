package openapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// credentialsPatience limits one look for credentials: the library waits up to
// 15 seconds for the security token service, and takes no context.
const credentialsPatience = 20 * time.Second

// origin is one place that credentials of Alibaba Cloud come from.
type origin struct {
	name  string // for people: "the environment"
	guess bool   // nobody asked for it: where it has nothing there is nothing
	build func() (providers.CredentialsProvider, error)
}

// machine is what tells which origins there are.
type machine struct {
	getenv  func(string) string
	home    string
	product string // file with the machine's product name
}

func thisMachine() machine {
	home, _ := os.UserHomeDir() // without one there are no files in it
	return machine{getenv: os.Getenv, home: home, product: "/sys/class/dmi/id/product_name"}
}

// find returns the first origin that there is a sign of, nil where there is no
// sign at all. The order is that of the vendor's default chain, but a place
// somebody named comes before the metadata service of an ECS instance. Unlike
// the chain it looks no further where that origin fails: the work would go on
// as somebody else. And the metadata service is asked only where the machine's
// firmware says that it is such an instance, or ALIBABA_CLOUD_ECS_METADATA is
// set; elsewhere its address may be anybody's.
func (m machine) find() (*origin, error) {
	if m.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID") != "" || m.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET") != "" {
		if err := m.complete("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"); err != nil {
			return nil, err
		}
		return &origin{name: "the environment (ALIBABA_CLOUD_ACCESS_KEY_ID)", build: func() (providers.CredentialsProvider, error) {
			return providers.NewEnvironmentVariableCredentialsProviderBuilder().Build()
		}}, nil
	}
	token := "ALIBABA_CLOUD_OIDC_TOKEN_FILE"
	if m.getenv("ALIBABA_CLOUD_OIDC_TOKEN") != "" {
		token = "ALIBABA_CLOUD_OIDC_TOKEN"
	}
	if m.getenv(token) != "" || m.getenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN") != "" {
		if err := m.complete(token, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_ROLE_ARN"); err != nil {
			return nil, err
		}
		return &origin{name: "the OIDC role (ALIBABA_CLOUD_ROLE_ARN)", build: func() (providers.CredentialsProvider, error) {
			return providers.NewOIDCCredentialsProviderBuilder().WithRoleSessionName("imgbuild").Build()
		}}, nil
	}
	o, missing := m.cliProfile()
	if o != nil {
		return o, nil
	}
	if o := m.credentialsFile(); o != nil {
		return o, nil
	}
	if missing != nil {
		return nil, missing
	}
	if m.getenv("ALIBABA_CLOUD_CREDENTIALS_URI") != "" {
		return &origin{name: "the address in ALIBABA_CLOUD_CREDENTIALS_URI", build: func() (providers.CredentialsProvider, error) {
			return providers.NewURLCredentialsProviderBuilder().Build()
		}}, nil
	}
	return m.instanceRole(), nil
}

func (m machine) complete(names ...string) error {
	for _, name := range names {
		if m.getenv(name) == "" {
			return fmt.Errorf("the Alibaba Cloud credentials in the environment are not complete: %s is not set; set it, or unset the others of %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// cliProfile is the profile of the aliyun command.
func (m machine) cliProfile() (*origin, error) {
	if strings.EqualFold(m.getenv("ALIBABA_CLOUD_CLI_PROFILE_DISABLED"), "true") {
		return nil, nil
	}
	path, named := m.getenv("ALIBABA_CLOUD_CONFIG_FILE"), true
	if path == "" {
		if m.home == "" {
			return nil, nil
		}
		path, named = filepath.Join(m.home, ".aliyun", "config.json"), false
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the aliyun command's profiles: %w", err)
	}
	p, err := parseProfile(data, m.getenv("ALIBABA_CLOUD_PROFILE"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case p == nil:
		return nil, nil
	}
	return &origin{name: fmt.Sprintf("the profile %s in %s", p.Name, path), build: func() (providers.CredentialsProvider, error) {
		return providers.NewCLIProfileCredentialsProviderBuilder().WithProfileFile(path).WithProfileName(p.Name).Build()
	}}, nil
}

type profile struct {
	Name  string `json:"name"`
	Mode  string `json:"mode"`
	KeyID string `json:"access_key_id"`
}

// parseProfile picks a profile, the file's current one where name is empty; nil
// is one that was never filled in. Its errors quote nothing of the file.
func parseProfile(data []byte, name string) (*profile, error) {
	var file struct {
		Current  string    `json:"current"`
		Profiles []profile `json:"profiles"`
	}
	if json.Unmarshal(data, &file) != nil {
		return nil, errors.New("this is not the aliyun command's JSON; run `aliyun configure`")
	}
	if name == "" {
		name = file.Current
	}
	for _, p := range file.Profiles {
		if p.Name != name {
			continue
		}
		switch p.Mode {
		case "AK", "StsToken", "":
			if p.KeyID == "" {
				return nil, nil
			}
		case "External":
			// The library prints what the command says where it is not JSON.
			return nil, fmt.Errorf("profile %q runs a command for credentials, which imgbuild does not do; set ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and ALIBABA_CLOUD_SECURITY_TOKEN from its output", name)
		}
		return &p, nil
	}
	if name == "" {
		return nil, nil
	}
	return nil, fmt.Errorf("there is no profile %q; check ALIBABA_CLOUD_PROFILE, or run `aliyun configure`", name)
}

// credentialsFile is the file that the vendor's libraries share.
func (m machine) credentialsFile() *origin {
	path := m.getenv("ALIBABA_CLOUD_CREDENTIALS_FILE")
	if path == "" {
		path = filepath.Join(m.home, ".alibabacloud", "credentials")
		if _, err := os.Stat(path); err != nil || m.home == "" {
			return nil
		}
	}
	return &origin{name: path, build: func() (providers.CredentialsProvider, error) {
		return providers.NewProfileCredentialsProviderBuilder().Build()
	}}
}

// instanceRole is the RAM role of the ECS instance that this is.
func (m machine) instanceRole() *origin {
	if strings.EqualFold(m.getenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED"), "true") {
		return nil
	}
	asked := m.getenv("ALIBABA_CLOUD_ECS_METADATA") != ""
	if !asked {
		// As cloud-init knows them (DataSourceAliYun).
		product, err := os.ReadFile(m.product)
		if err != nil || strings.TrimSpace(string(product)) != "Alibaba Cloud ECS" {
			return nil
		}
	}
	return &origin{name: "the RAM role of this ECS instance", guess: !asked, build: func() (providers.CredentialsProvider, error) {
		return providers.NewECSRAMRoleCredentialsProviderBuilder().Build()
	}}
}

// Wallet finds the origin once and asks it for keys. The library's providers
// keep temporary keys and renew them before they expire, but are not made for
// concurrent use; a Wallet is.
type Wallet struct {
	machine machine

	mu       sync.Mutex
	looked   bool
	origin   *origin
	provider providers.CredentialsProvider
}

// NewWallet returns a Wallet. It looks for nothing before the first Key.
func NewWallet() *Wallet { return &Wallet{machine: thisMachine()} }

// Key returns an access key and, for people, where it is from; nil where there
// is no sign of any. It asks anew for what may have expired.
func (w *Wallet) Key(ctx context.Context) (*Key, string, error) {
	type answer struct {
		k    *Key
		from string
		err  error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, credentialsPatience, errors.New("getting Alibaba Cloud credentials: no answer in "+credentialsPatience.String()))
	defer cancel()
	got := make(chan answer, 1)
	go func() {
		k, from, err := w.ask()
		got <- answer{k, from, err}
	}()
	select {
	case a := <-got:
		return a.k, a.from, a.err
	case <-ctx.Done():
		return nil, "", context.Cause(ctx)
	}
}

func (w *Wallet) ask() (*Key, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.looked {
		o, err := w.machine.find()
		if err != nil {
			return nil, "", err
		}
		if o != nil {
			if w.provider, err = o.build(); err != nil {
				return nil, "", originError(o, err)
			}
		}
		w.looked, w.origin = true, o
	}
	if w.origin == nil {
		return nil, "", nil
	}
	c, err := w.provider.GetCredentials()
	if err != nil {
		if w.origin.guess {
			return nil, "", nil
		}
		return nil, "", originError(w.origin, err)
	}
	return &Key{c.AccessKeyId, c.AccessKeySecret, c.SecurityToken}, w.origin.name, nil
}
