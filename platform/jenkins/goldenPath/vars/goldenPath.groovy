// The golden path in Jenkins. Each stage calls the program that a laptop and GitHub Actions call too; what one stage
// knows the next finds in artifacts/run.json. A Jenkinsfile that uses it:
//
//   @Library('goldenPath') _
//   goldenPath()
//
// One setting: label, of the agent (default golden-path).
// Addresses come from the controller's variables, credentials by the names that it gives them.
def call(Map settings = [:]) {
  pipeline {
    agent { label "${settings.label ?: 'golden-path'}" }
    options {
      buildDiscarder(logRotator(numToKeepStr: '50', artifactNumToKeepStr: '10'))
      disableConcurrentBuilds()
      skipDefaultCheckout()
      timestamps()
      timeout(time: 60, unit: 'MINUTES')
    }
    environment {
      FAWKES_REGISTRY_TOKEN     = credentials('fawkes-registry')
      FAWKES_EVENTS_TOKEN       = credentials('fawkes-events')
      FAWKES_ENVIRONMENTS_TOKEN = credentials('fawkes-environments')
      FAWKES_SIGNING_KEY        = credentials('fawkes-signing-key')
      FAWKES_SIGNING_PASSWORD   = credentials('fawkes-signing-password')
      SONAR_TOKEN               = credentials('fawkes-sonarqube')
    }
    stages {
      stage('Checkout')        { steps { checkout scm; sh 'fawkes ci checkout' } }
      stage('Build')           { steps { sh 'fawkes ci build' } }
      stage('Unit test')       { steps { sh 'fawkes ci unit-test' } }
      stage('Behavior test')   { steps { sh 'fawkes ci behavior-test' } }
      stage('Secrets')         { steps { sh 'fawkes ci secrets' } }
      stage('Static analysis') { steps { sh 'fawkes ci static-analysis' } }
      stage('Image')           { steps { sh 'fawkes ci image' } }
      stage('Image scan')      { steps { sh 'fawkes ci image-scan' } }
      stage('SBOM')            { steps { sh 'fawkes ci sbom' } }
      stage('Sign')            { steps { sh 'fawkes ci sign' } }
      stage('Push')            { steps { sh 'fawkes ci push' } }
      stage('Promote')         { steps { sh 'fawkes ci promote' } }
    }
    post {
      always {
        junit allowEmptyResults: true, testResults: 'artifacts/junit*.xml'
        archiveArtifacts allowEmptyArchive: true, artifacts: 'artifacts/**', excludes: 'artifacts/image/**'
        // Last: tests may have made the run unstable. It tells the end of a run that was aborted, and sends what was not delivered.
        sh "fawkes ci finish --as ${outcome(currentBuild.currentResult)}"
      }
    }
  }
}

// outcome is the word of `fawkes ci finish` for a result of Jenkins.
String outcome(String result) {
  switch (result) {
    case 'SUCCESS': return 'success'
    case 'ABORTED': return 'aborted'
    default: return 'failure'
  }
}
