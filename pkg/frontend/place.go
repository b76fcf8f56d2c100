package frontend

import (
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"go.yaml.in/yaml/v3"
)

// place says where in the definition a layer is, so that clients show it where
// the layer's command fails.
func (f *files) place(variant, layer string) llb.ConstraintsOpt {
	return f.source.Location(lines(f.source.Data, variant, layer))
}

// lines are those of a layer in a definition that has been read already.
func lines(data []byte, variant, layer string) []*pb.Range {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		return nil
	}
	n := named(named(doc.Content[0], "variants", variant), "layers", layer)
	if n == nil {
		return nil
	}
	return []*pb.Range{{Start: &pb.Position{Line: int32(n.Line)}, End: &pb.Position{Line: int32(lastLine(n))}}}
}

// named is the item with a name in the list that a mapping has at a key.
func named(n *yaml.Node, key, name string) *yaml.Node {
	list := value(n, key)
	if list == nil {
		return nil
	}
	for _, item := range list.Content {
		if v := value(item, "name"); v != nil && v.Value == name {
			return item
		}
	}
	return nil
}

func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func lastLine(n *yaml.Node) int {
	last := n.Line
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		last += strings.Count(strings.TrimRight(n.Value, "\n"), "\n") + 1
	}
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}
