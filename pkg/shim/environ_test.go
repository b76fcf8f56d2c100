package shim

import "testing"

// TestPlatformPort is the rule for the port that a platform calls, and the one
// that the program is told beside it.
func TestPlatformPort(t *testing.T) {
	for _, test := range []struct {
		name         string
		env          Environ
		listen, told string
	}{
		{"Cloud Run", Environ{"PORT=8080", "K_SERVICE=s", "K_REVISION=r", "K_CONFIGURATION=c"}, ":8080", "9000"},
		{"another port", Environ{"PORT=5000", "K_SERVICE=s"}, ":5000", "9000"},
		{"the program's default", Environ{"PORT=9000", "K_REVISION=r"}, ":9000", "8080"},
		{"only a configuration", Environ{"PORT=5000", "K_CONFIGURATION=c"}, ":5000", "9000"},
		{"no service", Environ{"PORT=5000", "K_SERVICE="}, ":8080", "5000"},
		{"no port", Environ{"K_SERVICE=s"}, ":8080", "9000"},
		{"not a port", Environ{"PORT=tcp://10.0.0.1:80", "K_SERVICE=s"}, ":8080", "tcp://10.0.0.1:80"},
		{"a listen address of the user's", Environ{"PORT=5000", "K_SERVICE=s", "SHIM_LISTEN=:7000"}, ":7000", "5000"},
		{"another port for the program", Environ{"PORT=8080", "K_SERVICE=s", "FC_SERVER_PORT=3000"}, ":8080", "3000"},
		{"Function Compute", Environ{"PORT=5000", "K_SERVICE=s", "FC_INSTANCE_ID=i", "FC_CUSTOM_LISTEN_PORT=8080"}, ":8080", "5000"},
	} {
		r, err := Parse(nil, test.env)
		if err != nil {
			t.Fatal(err)
		}
		if told := childEnviron(r.Settings, test.env).Get("PORT"); r.Settings.Listen != test.listen || told != test.told {
			t.Errorf("%s: the shim %s, the program %s", test.name, r.Settings.Listen, told)
		}
	}
}
