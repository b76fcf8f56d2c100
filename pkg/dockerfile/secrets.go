package dockerfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/tonistiigi/go-csvvalue"
)

// Secret is a file or a variable that commands can mount. It goes to the builder
// when a command asks for it, and into no layer.
type Secret = secretsprovider.Source

// Agent is an SSH agent, or keys, that commands can use.
type Agent = sshprovider.AgentConfig

// ParseSecret reads id=ID[,src=PATH|,env=NAME]. Without either it is the
// variable ID, or else the file ID.
func ParseSecret(s string) (Secret, error) {
	fields, err := csvvalue.Fields(s, nil)
	if err != nil {
		return Secret{}, errors.New("it is not KEY=VALUE[,KEY=VALUE…]; write id=ID,src=PATH or id=ID,env=NAME")
	}
	var secret Secret
	var kind string
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return Secret{}, errors.New("it is not KEY=VALUE[,KEY=VALUE…]; write id=ID,src=PATH or id=ID,env=NAME")
		}
		switch strings.ToLower(key) {
		case "type":
			if value != "file" && value != "env" {
				return Secret{}, fmt.Errorf("unknown type %q; the types are file and env", value)
			}
			kind = value
		case "id":
			secret.ID = value
		case "src", "source":
			secret.FilePath = value
		case "env":
			secret.Env = value
		default:
			return Secret{}, fmt.Errorf("unknown key %q; the keys are id, src, env and type", key)
		}
	}
	if kind == "env" && secret.Env == "" {
		secret.Env, secret.FilePath = secret.FilePath, ""
	}
	if secret.ID == "" {
		return Secret{}, errors.New("it has no id; write id=ID,src=PATH or id=ID,env=NAME")
	}
	return secret, checkSecret(secret)
}

// checkSecret says before any work what a command would fail for.
func checkSecret(s Secret) error {
	if s.FilePath != "" {
		info, err := os.Stat(s.FilePath)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			return fmt.Errorf("%s is a folder", s.FilePath)
		case info.Size() > secretsprovider.MaxSecretSize:
			return fmt.Errorf("%s has %d bytes; %d are allowed", s.FilePath, info.Size(), secretsprovider.MaxSecretSize)
		}
		return nil
	}
	name := s.Env
	if name == "" {
		name = s.ID
	}
	if _, ok := os.LookupEnv(name); ok {
		return nil
	}
	if s.Env != "" {
		return fmt.Errorf("the variable %s is not set", s.Env)
	}
	if _, err := os.Stat(s.ID); err != nil {
		return fmt.Errorf("there is neither a variable nor a file %s; write src=PATH or env=NAME", s.ID)
	}
	return nil
}

// ParseSSH reads default, or ID[=SOCKET|KEY[,KEY…]][,raw=true].
func ParseSSH(s string) (Agent, error) {
	id, value, ok := strings.Cut(s, "=")
	a := Agent{ID: id}
	if id == "" {
		return a, errors.New("it has no id; write default, or ID=SOCKET")
	}
	if !ok {
		if os.Getenv("SSH_AUTH_SOCK") == "" {
			return a, errors.New("no SSH agent runs here: SSH_AUTH_SOCK is not set; start one, or name a socket or keys as ID=PATH")
		}
		return a, nil
	}
	for p := range strings.SplitSeq(value, ",") {
		raw, isRaw := strings.CutPrefix(p, "raw=")
		if !isRaw {
			if _, err := os.Stat(p); err != nil {
				return a, err
			}
			a.Paths = append(a.Paths, p)
			continue
		}
		var err error
		if a.Raw, err = strconv.ParseBool(raw); err != nil {
			return a, fmt.Errorf("raw=%s: write raw=true or raw=false", raw)
		}
	}
	if a.Raw && len(a.Paths) != 1 {
		return a, errors.New("raw=true goes with exactly one socket")
	}
	return a, nil
}

// secrets lets the builder ask for secrets and agents.
func (w *work) secrets(o *client.SolveOpt) error {
	if len(w.Secrets) > 0 {
		s, err := secretsprovider.NewStore(w.Secrets)
		if err != nil {
			return err
		}
		o.Session = append(o.Session, secretsprovider.NewSecretProvider(s))
	}
	if len(w.SSH) > 0 {
		p, err := sshprovider.NewSSHAgentProvider(w.SSH)
		if err != nil {
			return err
		}
		o.Session = append(o.Session, p)
	}
	return nil
}
