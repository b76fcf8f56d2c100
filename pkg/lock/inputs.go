package lock

import (
	"fmt"
	"slices"
	"strings"
)

// Find returns the input with that ID.
func (l *Lock) Find(id string) (Input, bool) {
	i, ok := slices.BinarySearchFunc(l.Inputs, id, func(in Input, id string) int { return strings.Compare(in.ID, id) })
	if !ok {
		return Input{}, false
	}
	return l.Inputs[i], true
}

// FindAll returns the inputs with those IDs, in their order.
func (l *Lock) FindAll(ids []string) ([]Input, error) {
	var inputs []Input
	for _, id := range ids {
		in, ok := l.Find(id)
		if !ok {
			return nil, fmt.Errorf("the lock has no input %s", id)
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}
