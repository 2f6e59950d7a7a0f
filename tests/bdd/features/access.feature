Feature: Only those who may write, write
  Metrics that anyone could alter are trusted by no one.

  Background:
    Given project "shop" with service "api" from repository "https://git.example/shop.git"

  Scenario: A viewer reads the metrics and cannot write
    Given someone with the role "viewer"
    Then they can read the metrics of "shop"
    But they cannot report a deployment of "api": "forbidden"
    And project "shop" has 0 deployments

  Scenario: A developer reports deployments and cannot change the project
    Given someone with the role "developer"
    When they report a deployment of "api" to production
    Then project "shop" has 1 deployment
    But they cannot change project "shop": "forbidden"

  Scenario: A stranger sees nothing
    Given someone without a token
    Then they cannot read the metrics of "shop": "unauthenticated"
    And they cannot report a deployment of "api": "unauthenticated"
