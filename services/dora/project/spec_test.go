package project_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

const shop = `
project: shop
description: Sells things
time_zone: Europe/Berlin
calendar: {workdays: [mon, tue], holidays: ["2026-12-25"], week_start: sun}
teams: [{name: core}]
services:
  - {name: api, team: core, repo: "https://git.example/shop.git", paths: [services/api/, "*.proto"]}
environments: [{name: blue, kind: production}]
incident_window: 6h
first_deployment: attribute
merge_commits: skip
authority:
  - {service: api, environment: blue, source: jenkins}
  - {source: devlake}
`

func TestADescriptionIsReadAsItStands(t *testing.T) {
	got, err := project.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	want := project.Spec{
		Project: "shop", Description: "Sells things", TimeZone: "Europe/Berlin",
		Calendar:     project.Calendar{Workdays: []string{"mon", "tue"}, Holidays: []string{"2026-12-25"}, WeekStart: "sun"},
		Teams:        []project.Team{{Name: "core"}},
		Services:     []project.Service{{Name: "api", Team: "core", Repo: "https://git.example/shop.git", Paths: []string{"services/api/", "*.proto"}}},
		Environments: []project.Environment{{Name: "blue", Kind: project.KindProduction}}, IncidentWindow: "6h",
		FirstDeployment: project.FirstAttribute, MergeCommits: project.MergeSkip,
		Authority: []project.Authority{{Service: "api", Environment: "blue", Source: "jenkins"}, {Source: "devlake"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got.Window() != 6*time.Hour || got.WeekStart() != time.Sunday || got.Location().String() != "Europe/Berlin" {
		t.Errorf("window %v, week from %v, zone %v", got.Window(), got.WeekStart(), got.Location())
	}
	if _, err := project.Parse([]byte(`{"project": "shop"}`)); err != nil {
		t.Errorf("JSON: %v", err)
	}
}

func TestANameIsEnoughAndTheRestHasDefaults(t *testing.T) {
	s, err := project.Parse([]byte("project: shop"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Window() != 24*time.Hour || s.WeekStart() != time.Monday || s.Location() != time.UTC {
		t.Errorf("window %v, week from %v, zone %v", s.Window(), s.WeekStart(), s.Location())
	}
	for day, want := range map[string]bool{"2026-11-20": true, "2026-11-21": false, "2026-11-22": false, "2026-11-23": true} {
		d, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if s.Workday(d) != want {
			t.Errorf("%s (%s): working day %v, want %v", day, d.Weekday(), !want, want)
		}
	}
}

func TestEveryFaultNamesItsField(t *testing.T) {
	for text, field := range map[string]string{
		"":                                                              "project",
		"project: ''":                                                   "project",
		"project: a b":                                                  "project",
		"project: " + strings.Repeat("a", 129):                          "project",
		"project: x\ntime_zone: Mars/Base":                              "time_zone",
		"project: x\nincident_window: soon":                             "incident_window",
		"project: x\nincident_window: -1h":                              "incident_window",
		"project: x\nincident_window: 2161h":                            "incident_window",
		"project: x\nfirst_deployment: maybe":                           "first_deployment",
		"project: x\nmerge_commits: squash":                             "merge_commits",
		"project: x\ncalendar: {workdays: [mon, monday]}":               "calendar.workdays[1]",
		"project: x\ncalendar: {week_start: first}":                     "calendar.week_start",
		"project: x\ncalendar: {holidays: ['2026-02-30']}":              "calendar.holidays[0]",
		"project: x\nteams: [{description: none}]":                      "teams[0].name",
		"project: x\nteams: [{name: a}, {name: a}]":                     "teams[1].name",
		"project: x\nservices: [{name: ''}]":                            "services[0].name",
		"project: x\nservices: [{name: a}, {name: a}]":                  "services[1].name",
		"project: x\nservices: [{name: a, team: b}]":                    "services[0].team",
		"project: x\nservices: [{name: a, paths: [x]}]":                 "services[0].repo",
		"project: x\nservices: [{name: a, repo: r, paths: ['']}]":       "services[0].paths[0]",
		"project: x\nservices: [{name: a, repo: r, paths: [ok, 'a[']}]": "services[0].paths[1]",
		"project: x\nenvironments: [{kind: production}]":                "environments[0].name",
		"project: x\nenvironments: [{name: a, kind: prod}]":             "environments[0].kind",
		"project: x\nservices: [{name: a, repo: r, paths: [x]}, {name: b, repo: r, path: y}]": "",
		"project: x\nauthority: [{service: a}]":                                               "authority[0].source",
		"project: x\nauthority: [{source: ' a'}]":                                             "authority[0].source",
		"project: x\nauthority: [{source: a, service: 'b '}]":                                 "authority[0].service",
		"project: x\nauthority: [{source: a}, {source: b, service: c}, {source: d}]":          "authority[2].source",
		"project: x\nauthority: [{sources: a}]":                                               "",
		"project: x\ncolour: red":                                                             "",
		"project: [":                                                                          "",
	} {
		_, err := project.Parse([]byte(text))
		var fault *event.FieldError
		if !errors.As(err, &fault) {
			t.Errorf("%q: %v, want a fault of %q", text, err, field)
		} else if fault.Field != field {
			t.Errorf("%q: fault of %q (%s), want of %q", text, fault.Field, fault.Detail, field)
		}
	}
	_, err := project.Parse([]byte("project: x\ncolour: red"))
	if err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown key is not named: %v", err)
	}
}

func TestOneRepositoryHoldsSixtyFourServicesAndNoMore(t *testing.T) {
	s := project.Spec{Project: "x"}
	for i := range project.MaxServicesPerRepo + 1 {
		if err := s.Validate(); err != nil {
			t.Fatalf("with %d services: %v", i, err)
		}
		s.Services = append(s.Services, project.Service{Name: "s" + strings.Repeat("x", i), Repo: "https://h/r.git", Paths: []string{"a"}})
	}
	if err := s.Validate(); err == nil {
		t.Errorf("%d services of one repository were taken", len(s.Services))
	}
}

func TestAnEnvironmentsKindIsDeclaredOrReadFromItsName(t *testing.T) {
	s := project.Spec{Environments: []project.Environment{{Name: "blue", Kind: project.KindProduction}, {Name: "production", Kind: project.KindStaging}}}
	for name, want := range map[string]string{
		"blue": project.KindProduction, "production": project.KindStaging, "Prod": project.KindProduction, "eu-prod-2": project.KindProduction,
		"live": project.KindProduction, "preprod": project.KindStaging, "stg_1": project.KindStaging, "uat": project.KindTesting,
		"qa.eu": project.KindTesting, "dev": project.KindDevelopment, "product": project.KindDevelopment, "": project.KindDevelopment,
	} {
		if got := s.EnvironmentKind(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

func TestAServiceOwnsThePathsThatItsPatternsName(t *testing.T) {
	for pattern, paths := range map[string]map[string]bool{
		"services/api/":     {"services/api/main.go": true, "services/api": true, "services/apiary/x": false, "api/main.go": false},
		"services/api":      {"services/api/main.go": true, "services/api": true, "services/apix": false},
		"/services/api/":    {"services/api/main.go": true},
		"*.proto":           {"a.proto": true, "x/a.proto": false, "a.protos": false},
		"**/*.proto":        {"a.proto": true, "x/y/a.proto": true, "x/a.go": false},
		"services/*/api/**": {"services/eu/api/x.go": true, "services/eu/api/x/y.go": true, "services/api/x.go": false, "services/eu/web/x.go": false},
		"shared/**":         {"shared/a": true, "shared/a/b": true, "sharedx/a": false},
		"lib?":              {"lib1/a": true, "lib/a": false},
	} {
		s := project.Service{Name: "x", Paths: []string{"never/this", pattern}}
		for p, want := range paths {
			if got := s.Touches(p); got != want {
				t.Errorf("%q touches %q: %v, want %v", pattern, p, got, want)
			}
		}
	}
	if (project.Service{Name: "x"}).Touches("a") {
		t.Error("a service without paths touches some")
	}
}

func TestAServiceIsFoundByItsName(t *testing.T) {
	s := project.Spec{Services: []project.Service{{Name: "api", Repo: "r"}}}
	if v, ok := s.Service("api"); !ok || v.Repo != "r" {
		t.Errorf("%v %v", v, ok)
	}
	if _, ok := s.Service("web"); ok {
		t.Error("a service that nobody declared was found")
	}
}
