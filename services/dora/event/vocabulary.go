package event

// Types lists the types of event.
func Types() []Type {
	return []Type{TypeCommit, TypePullRequest, TypeReview, TypeBuild, TypeArtifact, TypeDeployment, TypeIncident, TypeOther}
}
