// Package schema is the form in which the tests keep what a Terraform provider takes: names, types, and which of them
// must be given. It is written from the manifest of the provider's npm package and served to Terraform in its place.
package schema

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Provider is one provider at one version.
type Provider struct {
	Source    string            `json:"source"`  // as in required_providers: hashicorp/aws
	Version   string            `json:"version"` // of the provider
	Package   string            `json:"package"` // the npm package and version that said so
	Config    *Block            `json:"config"`
	Resources map[string]*Block `json:"resources"`
}

// Block is the body of a resource, of a nested block, or of the provider's settings.
type Block struct {
	Attributes map[string]Attribute `json:"attributes,omitempty"`
	Blocks     map[string]Nested    `json:"blocks,omitempty"`
}

// Attribute is one argument, or one value that the provider computes.
type Attribute struct {
	Type     any  `json:"type"` // as Terraform writes types in JSON: "string", ["list","string"], ["object",{…}]
	Required bool `json:"required,omitempty"`
	Optional bool `json:"optional,omitempty"`
	Computed bool `json:"computed,omitempty"`
}

// Nested is a block inside another. Max is 0 when there is no limit.
type Nested struct {
	Block
	Single bool `json:"single,omitempty"`
	Min    int  `json:"min,omitempty"`
	Max    int  `json:"max,omitempty"`
}

// Read reads a provider's file.
func Read(name string) (*Provider, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out Provider
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &out, nil
}

// Schema is the block in the words of Terraform's plugin protocol.
func (b *Block) Schema() (*tfprotov6.Schema, error) {
	body, err := b.body()
	if err != nil {
		return nil, err
	}
	return &tfprotov6.Schema{Block: body}, nil
}

func (b *Block) body() (*tfprotov6.SchemaBlock, error) {
	out := &tfprotov6.SchemaBlock{}
	for name, a := range b.Attributes {
		t, err := parseType(a.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out.Attributes = append(out.Attributes, &tfprotov6.SchemaAttribute{
			Name: name, Type: t, Required: a.Required, Optional: a.Optional, Computed: a.Computed,
		})
	}
	for name, n := range b.Blocks {
		body, err := n.body()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		nested := &tfprotov6.SchemaNestedBlock{
			TypeName: name, Block: body, Nesting: tfprotov6.SchemaNestedBlockNestingModeList,
			MinItems: int64(n.Min), MaxItems: int64(n.Max),
		}
		if n.Single {
			nested.Nesting, nested.MinItems, nested.MaxItems = tfprotov6.SchemaNestedBlockNestingModeSingle, 0, 0
		}
		out.BlockTypes = append(out.BlockTypes, nested)
	}
	return out, nil
}

func parseType(v any) (tftypes.Type, error) {
	switch v := v.(type) {
	case string:
		switch v {
		case "string":
			return tftypes.String, nil
		case "number":
			return tftypes.Number, nil
		case "bool":
			return tftypes.Bool, nil
		case "dynamic":
			return tftypes.DynamicPseudoType, nil
		}
	case []any:
		if len(v) != 2 {
			break
		}
		if fields, ok := v[1].(map[string]any); ok && v[0] == "object" {
			out := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
			for name, f := range fields {
				t, err := parseType(f)
				if err != nil {
					return nil, err
				}
				out.AttributeTypes[name] = t
			}
			return out, nil
		}
		element, err := parseType(v[1])
		if err != nil {
			return nil, err
		}
		switch v[0] {
		case "list":
			return tftypes.List{ElementType: element}, nil
		case "map":
			return tftypes.Map{ElementType: element}, nil
		}
	}
	return nil, fmt.Errorf("no such type: %v", v)
}
