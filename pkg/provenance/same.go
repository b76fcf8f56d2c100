package provenance

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Same says whether two statements of a type about the same image say the same,
// so that the one which is signed and published already can stay.
//
// Bills of materials do where they are equal as JSON. Provenance does where it
// names the same inputs: what was built is then the same, and that another
// definition or lock, or another imgbuild, would build it too makes the older
// statement no less true.
func Same(predicateType string, old, new []byte) bool {
	a, errA := ParseStatement(old)
	b, errB := ParseStatement(new)
	if errA != nil || errB != nil || a.PredicateType != b.PredicateType || a.PredicateType != predicateType || !sameSubjects(a, b) {
		return false
	}
	if predicateType != SLSA {
		return equalJSON(a.Predicate, b.Predicate)
	}
	p, errA := ParsePredicate(a.Predicate)
	q, errB := ParsePredicate(b.Predicate)
	if errA != nil || errB != nil {
		return false
	}
	_, hasSource := p.Source()
	return hasSource && reflect.DeepEqual(p.inputs(), q.inputs()) &&
		p.BuildDefinition.InternalParameters.Compression == q.BuildDefinition.InternalParameters.Compression
}

func sameSubjects(a, b *Parsed) bool {
	for _, s := range b.Subjects {
		if !a.About(s.Digest) {
			return false
		}
	}
	return len(a.Subjects) == len(b.Subjects)
}

// inputs are all dependencies but the definition and its lock.
func (p *Predicate) inputs() (out []descriptor) {
	for _, d := range p.BuildDefinition.ResolvedDependencies {
		if d.Name != SourceName || d.URI != "" {
			out = append(out, d)
		}
	}
	return out
}

func equalJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	for data, v := range map[*[]byte]*any{&a: &x, &b: &y} {
		dec := json.NewDecoder(bytes.NewReader(*data))
		dec.UseNumber()
		if dec.Decode(v) != nil {
			return false
		}
	}
	return reflect.DeepEqual(x, y)
}
