package main

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"gopkg.in/yaml.v3"
)

// spec is what is read of a policy.
type spec struct {
	Metadata struct{ Name string }
	Spec     struct {
		MatchConstraints struct {
			ResourceRules []rule `yaml:"resourceRules"`
		} `yaml:"matchConstraints"`
		MatchConditions []expression `yaml:"matchConditions"`
		Variables       []expression
		Validations     []struct {
			Expression        string
			Message           string
			MessageExpression string `yaml:"messageExpression"`
		}
		AuditAnnotations []struct {
			Key             string
			ValueExpression string `yaml:"valueExpression"`
		} `yaml:"auditAnnotations"`
	}
}

type rule struct {
	APIGroups []string `yaml:"apiGroups"`
	Resources []string
}

type expression struct{ Name, Expression string }

// policy is a policy whose expressions are compiled.
type policy struct {
	name        string
	rules       []rule
	conditions  []cel.Program
	variables   []variable
	validations []validation
}

type variable struct {
	name    string
	program cel.Program
}

type validation struct{ holds, message cel.Program }

func compile(o map[string]any) (*policy, error) {
	text, err := yaml.Marshal(o)
	if err != nil {
		return nil, err
	}
	var s spec
	if err := yaml.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	env, err := cel.NewEnv(
		ext.Strings(), ext.Sets(), cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), cel.HomogeneousAggregateLiterals(),
		cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType), cel.Variable("params", cel.DynType),
		cel.Variable("namespaceObject", cel.DynType), cel.Variable("variables", cel.MapType(cel.StringType, cel.DynType)),
	)
	if err != nil {
		return nil, err
	}
	program := func(what, text string) (cel.Program, error) {
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			return nil, fmt.Errorf("%s: %w", what, issues.Err())
		}
		return env.Program(ast)
	}
	p := &policy{name: s.Metadata.Name, rules: s.Spec.MatchConstraints.ResourceRules}
	for _, c := range s.Spec.MatchConditions {
		condition, err := program("the condition "+c.Name, c.Expression)
		if err != nil {
			return nil, err
		}
		p.conditions = append(p.conditions, condition)
	}
	for _, v := range s.Spec.Variables {
		value, err := program("the variable "+v.Name, v.Expression)
		if err != nil {
			return nil, err
		}
		p.variables = append(p.variables, variable{v.Name, value})
	}
	for i, v := range s.Spec.Validations {
		holds, err := program(fmt.Sprintf("the validation %d", i), v.Expression)
		if err != nil {
			return nil, err
		}
		message, err := program(fmt.Sprintf("the message of the validation %d", i), v.MessageExpression)
		if err != nil {
			return nil, err
		}
		p.validations = append(p.validations, validation{holds, message})
	}
	for _, a := range s.Spec.AuditAnnotations {
		if _, err := program("the annotation "+a.Key, a.ValueExpression); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// judge gives the messages of the validations that do not hold, in a namespace without annotations.
func (p *policy) judge(object, params map[string]any) ([]string, error) {
	variables := map[string]any{}
	in := map[string]any{
		"object": object, "oldObject": nil, "params": params, "variables": variables,
		"namespaceObject": map[string]any{"metadata": map[string]any{"name": "teams"}},
	}
	for _, c := range p.conditions {
		if out, _, err := c.Eval(in); err != nil || out.Value() != true {
			return nil, err
		}
	}
	for _, v := range p.variables {
		out, _, err := v.program.Eval(in)
		if err != nil {
			return nil, fmt.Errorf("the variable %s: %w", v.name, err)
		}
		variables[v.name] = out
	}
	var messages []string
	for _, v := range p.validations {
		out, _, err := v.holds.Eval(in)
		if err != nil {
			return nil, err
		}
		if out.Value() == true {
			continue
		}
		message, _, err := v.message.Eval(in)
		if err != nil {
			return nil, fmt.Errorf("a message: %w", err)
		}
		messages = append(messages, fmt.Sprint(message.Value()))
	}
	return messages, nil
}
