Feature: Unknown is shown as unknown
  No number is invented. Where there is nothing to compute from, the answer says so and says why.

  Scenario: A project without deployments has no metrics, and says why
    Given project "shop" with service "api" from repository "https://git.example/shop.git"
    Then every metric is unknown, with a reason
    And no metric has a level

  Scenario: Fewer than five deployments give numbers but no level
    Given project "shop" with service "api" from repository "https://git.example/shop.git"
    And these commits are reported:
      | commit | parent | authored             |
      | start  |        | 2026-03-02T09:00:00Z |
      | basket | start  | 2026-03-02T10:00:00Z |
    And these deployments of "api" to production are reported:
      | deployment | commit | finished             | outcome |
      | one        | start  | 2026-03-02T09:30:00Z | success |
      | two        | basket | 2026-03-02T12:00:00Z | success |
    Then the change fail rate is 0 of 2
    And no metric has a level
    And the recovery time is unknown, with a reason
