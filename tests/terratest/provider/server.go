package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/fawkes-idp/fawkes/tests/terratest/schema"
)

// server answers what a plan and an apply of resources need. What it does not answer (data sources, functions,
// ephemeral resources) our modules do not use; the schema names none, so Terraform does not ask.
type server struct {
	tfprotov6.ProviderServer
	config    *tfprotov6.Schema
	resources map[string]*tfprotov6.Schema
}

func newServer(p *schema.Provider) (*server, error) {
	s := &server{resources: map[string]*tfprotov6.Schema{}}
	var err error
	if s.config, err = p.Config.Schema(); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	for name, b := range p.Resources {
		if s.resources[name], err = b.Schema(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

func (s *server) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	out := &tfprotov6.GetMetadataResponse{}
	for name := range s.resources {
		out.Resources = append(out.Resources, tfprotov6.ResourceMetadata{TypeName: name})
	}
	return out, nil
}

func (s *server) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{Provider: s.config, ResourceSchemas: s.resources}, nil
}

func (s *server) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (s *server) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *server) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (s *server) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func (s *server) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (s *server) UpgradeResourceState(_ context.Context, r *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	t := s.resources[r.TypeName].ValueType()
	v, err := r.RawState.Unmarshal(t)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov6.NewDynamicValue(t, v)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}, err
}

func (s *server) ReadResource(_ context.Context, r *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: r.CurrentState, Private: r.Private}, nil
}

// PlanResourceChange leaves unknown what is computed and was not given.
func (s *server) PlanResourceChange(_ context.Context, r *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	resource := s.resources[r.TypeName]
	planned, err := change(resource, r.ProposedNewState, func(v tftypes.Value, computed bool, _ string) tftypes.Value {
		if computed && v.IsNull() {
			return tftypes.NewValue(v.Type(), tftypes.UnknownValue)
		}
		return v
	})
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: planned}, err
}

// ApplyResourceChange fills what is unknown with a value that names it.
func (s *server) ApplyResourceChange(_ context.Context, r *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	resource := s.resources[r.TypeName]
	state, err := change(resource, r.PlannedState, func(v tftypes.Value, _ bool, name string) tftypes.Value {
		if v.IsKnown() {
			return v
		}
		return placeholder(v.Type(), r.TypeName+"."+name)
	})
	return &tfprotov6.ApplyResourceChangeResponse{NewState: state}, err
}

// change gives each attribute of a resource's body, and of the blocks in it, to edit.
func change(s *tfprotov6.Schema, dv *tfprotov6.DynamicValue, edit func(v tftypes.Value, computed bool, name string) tftypes.Value) (*tfprotov6.DynamicValue, error) {
	t := s.ValueType()
	v, err := dv.Unmarshal(t)
	if err != nil {
		return nil, err
	}
	if !v.IsNull() {
		if v, err = body(s.Block, v, edit); err != nil {
			return nil, err
		}
	}
	out, err := tfprotov6.NewDynamicValue(t, v)
	return &out, err
}

func body(b *tfprotov6.SchemaBlock, v tftypes.Value, edit func(tftypes.Value, bool, string) tftypes.Value) (tftypes.Value, error) {
	if v.IsNull() || !v.IsKnown() {
		return v, nil
	}
	fields := map[string]tftypes.Value{}
	if err := v.As(&fields); err != nil {
		return v, err
	}
	for _, a := range b.Attributes {
		fields[a.Name] = edit(fields[a.Name], a.Computed, a.Name)
	}
	for _, n := range b.BlockTypes {
		nested, err := within(n, fields[n.TypeName], edit)
		if err != nil {
			return v, fmt.Errorf("%s: %w", n.TypeName, err)
		}
		fields[n.TypeName] = nested
	}
	return tftypes.NewValue(v.Type(), fields), nil
}

func within(n *tfprotov6.SchemaNestedBlock, v tftypes.Value, edit func(tftypes.Value, bool, string) tftypes.Value) (tftypes.Value, error) {
	if v.IsNull() || !v.IsKnown() || n.Nesting == tfprotov6.SchemaNestedBlockNestingModeSingle {
		return body(n.Block, v, edit)
	}
	var elements []tftypes.Value
	if err := v.As(&elements); err != nil {
		return v, err
	}
	for i := range elements {
		var err error
		if elements[i], err = body(n.Block, elements[i], edit); err != nil {
			return v, err
		}
	}
	return tftypes.NewValue(v.Type(), elements), nil
}

// placeholder is a known value of a type. A string names where it comes from, so that an output shows its source.
func placeholder(t tftypes.Type, name string) tftypes.Value {
	switch t := t.(type) {
	case tftypes.List:
		return tftypes.NewValue(t, []tftypes.Value{placeholder(t.ElementType, name)})
	case tftypes.Map:
		return tftypes.NewValue(t, map[string]tftypes.Value{"key": placeholder(t.ElementType, name)})
	case tftypes.Object:
		fields := map[string]tftypes.Value{}
		for field, ft := range t.AttributeTypes {
			fields[field] = placeholder(ft, name+"."+field)
		}
		return tftypes.NewValue(t, fields)
	}
	switch {
	case t.Is(tftypes.Number):
		return tftypes.NewValue(t, 1)
	case t.Is(tftypes.Bool):
		return tftypes.NewValue(t, true)
	}
	return tftypes.NewValue(t, name)
}
