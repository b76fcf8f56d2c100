package ci_test

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// flow is what the documentation of Alibaba Cloud's Flow says of a pipeline,
// as far as ours use it; there is no public schema. Each key is of a page below
// https://help.aliyun.com/zh/yunxiao/user-guide/grammar-rules: pipeline-sources,
// variables, cache, pipeline-stages, pipelined-task-jobs, pipeline-steps.
type flow struct {
	Name    string `yaml:"name"`
	Sources map[string]struct {
		Type          string    `yaml:"type"`
		Name          string    `yaml:"name"`
		Endpoint      string    `yaml:"endpoint"`
		Branch        string    `yaml:"branch"`
		TriggerEvents yaml.Node `yaml:"triggerEvents"`
		Certificate   struct {
			Type              string `yaml:"type"`
			ServiceConnection string `yaml:"serviceConnection"`
		} `yaml:"certificate"`
	} `yaml:"sources"`
	VariableGroups []string `yaml:"variableGroups"`
	Variables      []struct {
		Key   string    `yaml:"key"`
		Type  string    `yaml:"type"`
		Value yaml.Node `yaml:"value"`
	} `yaml:"variables"`
	Cache *struct {
		Dirs []string `yaml:"cacheDirs"`
		Mode string   `yaml:"cacheMode"`
	} `yaml:"cache"`
	Stages map[string]struct {
		Name string `yaml:"name"`
		Jobs map[string]struct {
			Name   string `yaml:"name"`
			RunsOn struct {
				Group     string `yaml:"group"`
				Container string `yaml:"container"`
			} `yaml:"runsOn"`
			Steps yaml.Node `yaml:"steps"`
		} `yaml:"jobs"`
	} `yaml:"stages"`
}

type flowStep struct {
	ID   string `yaml:"-"`
	Name string `yaml:"name"`
	Step string `yaml:"step"`
	With struct {
		Run        string   `yaml:"run"`
		UploadType string   `yaml:"uploadType"`
		Artifact   string   `yaml:"artifact"`
		FilePath   []string `yaml:"filePath"`
	} `yaml:"with"`
}

var idRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,29}$`)

func strict(t *testing.T, data []byte, v any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

// steps of a job are a mapping whose order counts.
func steps(t *testing.T, n yaml.Node) []flowStep {
	t.Helper()
	if n.Kind != yaml.MappingNode {
		t.Fatal("steps are no mapping")
	}
	var all []flowStep
	for i := 0; i < len(n.Content); i += 2 {
		data, err := yaml.Marshal(n.Content[i+1])
		if err != nil {
			t.Fatal(err)
		}
		var s flowStep
		strict(t, data, &s)
		s.ID = n.Content[i].Value
		all = append(all, s)
	}
	return all
}

func TestFlow(t *testing.T) {
	for _, path := range []string{"aliyun/release.yml", "aliyun/relock.yml"} {
		t.Run(path, func(t *testing.T) {
			var f flow
			strict(t, read(t, path), &f)
			id := func(what, id, name string) {
				if !idRE.MatchString(id) || name == "" || len([]rune(name)) > 30 {
					t.Errorf("%s %s (%s): an id has letters, digits and _, a name up to 30 characters", what, id, name)
				}
			}
			if f.Name == "" || len(f.Sources) != 1 || len(f.Stages) == 0 {
				t.Error("a pipeline has a name, sources and stages")
			}
			for key, s := range f.Sources {
				id("source", key, s.Name)
				if s.Type != "codeup" || s.Endpoint == "" || s.Branch == "" || s.Certificate.Type != "serviceConnection" || s.Certificate.ServiceConnection == "" {
					t.Errorf("the source %s lacks something", key)
				}
			}
			for _, v := range f.Variables {
				if v.Key == "" || v.Value.Kind != yaml.ScalarNode || !slices.Contains([]string{"", "String", "Number", "Boolean", "Object"}, v.Type) {
					t.Errorf("the variable %s is none", v.Key)
				}
				if want := map[string]string{"Number": "!!int"}[v.Type]; want != "" && v.Value.Tag != want {
					t.Errorf("the variable %s is %s", v.Key, v.Value.Tag)
				}
			}
			if f.Cache != nil {
				if f.Cache.Mode != "remote" && f.Cache.Mode != "local" {
					t.Errorf("the cache's mode is %s", f.Cache.Mode)
				}
				for _, dir := range f.Cache.Dirs {
					if dir == "/" || dir == "/root" || regexp.MustCompile(`^/root/workspace(/|$)`).MatchString(dir) || dir[0] != '/' {
						t.Errorf("%s must not be cached", dir)
					}
				}
			}
			for key, stage := range f.Stages {
				id("stage", key, stage.Name)
				for key, job := range stage.Jobs {
					id("job", key, job.Name)
					if job.RunsOn.Group == "" || job.RunsOn.Container == "" {
						t.Errorf("the job %s does not say where it runs", key)
					}
					for _, s := range steps(t, job.Steps) {
						id("step", s.ID, s.Name)
						switch s.Step {
						case "Command":
							if s.With.Run == "" || s.With.Artifact != "" {
								t.Errorf("the step %s is no command", s.ID)
							}
						case "ArtifactUpload":
							if s.With.UploadType != "flowPublic" || s.With.Artifact == "" || len(s.With.FilePath) == 0 || s.With.Run != "" {
								t.Errorf("the step %s is no upload", s.ID)
							}
						default:
							t.Errorf("the step %s is of kind %s", s.ID, s.Step)
						}
					}
				}
			}
		})
	}
}
