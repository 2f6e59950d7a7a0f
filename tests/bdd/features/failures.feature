Feature: A failure is blamed on what caused it
  An engineering lead will act on the change fail rate, so it must not count the innocent.

  Background:
    Given project "shop" with service "api" from repository "https://git.example/shop.git"
    And these commits are reported:
      | commit  | parent  | authored             |
      | start   |         | 2026-03-02T09:00:00Z |
      | basket  | start   | 2026-03-02T10:00:00Z |
      | payment | basket  | 2026-03-03T10:00:00Z |

  Scenario: A rollback fails only the deployment that it replaced
    Given these deployments of "api" to production are reported:
      | deployment | commit  | finished             | outcome |
      | one        | start   | 2026-03-02T09:30:00Z | success |
      | two        | basket  | 2026-03-03T12:00:00Z | success |
      | three      | payment | 2026-03-04T12:00:00Z | success |
      | back       | start   | 2026-03-04T13:00:00Z | success |
    Then deployment "back" is a rollback
    And only deployment "three" has failed, because it was rolled back
    And the change fail rate is 1 of 4
    And the median recovery time is 1 hour over 1 failure

  Scenario: An incident of another service is not blamed on this one
    Given project "shop" also has service "web" from repository "https://git.example/web.git"
    And these deployments of "api" to production are reported:
      | deployment | commit | finished             | outcome |
      | one        | start  | 2026-03-02T09:30:00Z | success |
      | two        | basket | 2026-03-03T12:00:00Z | success |
    When an incident of "web" in production is opened at 2026-03-03T12:30:00Z
    Then no deployment has failed
    And the incident is linked to no deployment
    And the change fail rate is 0 of 2

  Scenario: An incident soon after a deployment of the same service is blamed on it
    Given these deployments of "api" to production are reported:
      | deployment | commit | finished             | outcome |
      | one        | start  | 2026-03-02T09:30:00Z | success |
      | two        | basket | 2026-03-03T12:00:00Z | success |
    When an incident of "api" in production is opened at 2026-03-03T12:30:00Z
    Then only deployment "two" has failed, because of an incident
    And the change fail rate is 1 of 2
