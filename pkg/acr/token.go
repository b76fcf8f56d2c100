package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/address"
)

// token is a temporary login.
type token struct {
	user, password string
	expires        time.Time
}

func (c *client) login(ctx context.Context) (token, error) {
	if c.at.Edition == address.Enterprise {
		return c.enterprise(ctx)
	}
	return c.personal(ctx)
}

// personal is GetAuthorizationToken of the API 2016-06-07, the same for old
// hosts and new ones.
func (c *client) personal(ctx context.Context) (token, error) {
	body, err := c.call(ctx, request{method: http.MethodGet, path: "/tokens", action: "GetAuthorizationToken", version: "2016-06-07"})
	if err != nil {
		return token{}, err
	}
	return parsePersonal(body)
}

func parsePersonal(body []byte) (token, error) {
	var doc struct {
		Data struct {
			TempUserName       string      `json:"tempUserName"`
			AuthorizationToken string      `json:"authorizationToken"`
			ExpireDate         json.Number `json:"expireDate"` // milliseconds since 1970
		} `json:"data"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return token{}, errUnreadable
	}
	return newToken(doc.Data.TempUserName, doc.Data.AuthorizationToken, doc.Data.ExpireDate)
}

// enterprise is GetAuthorizationToken of the API 2018-12-01 for the instance
// that the host names.
func (c *client) enterprise(ctx context.Context) (token, error) {
	id, err := c.instanceID(ctx)
	if err != nil {
		return token{}, err
	}
	body, err := c.call(ctx, request{method: http.MethodPost, path: "/", action: "GetAuthorizationToken", version: "2018-12-01", query: url.Values{"InstanceId": {id}}})
	if err != nil {
		return token{}, err
	}
	return parseEnterprise(body)
}

func parseEnterprise(body []byte) (token, error) {
	var doc struct {
		TempUsername       string
		AuthorizationToken string
		ExpireTime         json.Number // milliseconds since 1970
	}
	if json.Unmarshal(body, &doc) != nil {
		return token{}, errUnreadable
	}
	return newToken(doc.TempUsername, doc.AuthorizationToken, doc.ExpireTime)
}

var errUnreadable = errors.New("the API of Container Registry answers something that cannot be read")

func newToken(user, password string, expires json.Number) (token, error) {
	ms, err := expires.Int64()
	if err != nil || user == "" || password == "" || ms <= 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return token{}, errUnreadable
	}
	return token{user: user, password: password, expires: time.UnixMilli(ms)}, nil
}

// pageSize is what is asked for, maxInstances what an account can be thought
// to have in one region.
const (
	pageSize     = 100
	maxInstances = 2000
)

// instanceID finds the instance by its name, once.
func (c *client) instanceID(ctx context.Context) (string, error) {
	known := c.at.Region + "/" + c.at.Instance
	c.source.mu.Lock()
	id := c.source.instances[known]
	c.source.mu.Unlock()
	if id != "" {
		return id, nil
	}
	var names []string
	for page, seen := 1, 0; seen < maxInstances; page++ {
		body, err := c.call(ctx, request{method: http.MethodPost, path: "/", action: "ListInstance", version: "2018-12-01",
			query: url.Values{"PageNo": {strconv.Itoa(page)}, "PageSize": {strconv.Itoa(pageSize)}}})
		if err != nil {
			return "", err
		}
		l, err := parseInstances(body)
		if err != nil {
			return "", err
		}
		for _, i := range l.Instances {
			if strings.EqualFold(i.InstanceName, c.at.Instance) && i.InstanceID != "" {
				c.source.mu.Lock()
				c.source.instances[known] = i.InstanceID
				c.source.mu.Unlock()
				return i.InstanceID, nil
			}
			names = append(names, i.InstanceName)
		}
		seen += len(l.Instances)
		if len(l.Instances) == 0 || seen >= l.TotalCount {
			break
		}
	}
	return "", noInstance(c.at, names)
}

type instances struct {
	Instances []struct {
		InstanceID   string `json:"InstanceId"`
		InstanceName string
	}
	TotalCount int
}

func parseInstances(body []byte) (instances, error) {
	var l instances
	if json.Unmarshal(body, &l) != nil || l.TotalCount < 0 {
		return instances{}, errUnreadable
	}
	return l, nil
}

// shown is what may be shown of a name that somebody else wrote.
var shown = lazyregexp.New(`[A-Za-z0-9._-]{1,80}`)

func noInstance(at address.ACR, names []string) error {
	names = slices.DeleteFunc(names, func(n string) bool { return shown().FindString(n) != n || n == "" })
	slices.Sort(names)
	have := "they see none there; check the region, and whose credentials they are"
	if len(names) > 0 {
		if len(names) > 10 {
			names = append(names[:10:10], "…")
		}
		have = "there are " + strings.Join(names, ", ") + "; correct --instance or --registry"
	}
	return fmt.Errorf("there is no instance %s in %s that these credentials can see: %s", at.Instance, at.Region, have)
}
