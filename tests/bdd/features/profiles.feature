Feature: The same data under another system's rules
  A team that comes from DevLake compares its numbers with those it knows, and sees which rule makes the difference.

  Scenario: Two deployments overlap, and the rules differ on which of them delivered a change
    Given project "shop" with service "api" from repository "https://git.example/shop.git"
    And these commits are reported:
      | commit  | parent | authored             |
      | start   |        | 2026-03-02T08:00:00Z |
      | basket  | start  | 2026-03-02T10:00:00Z |
      | payment | basket | 2026-03-02T11:30:00Z |
    And pull request "12" with commit "basket" was opened at 2026-03-02T10:30:00Z and merged at 2026-03-02T11:00:00Z
    And these deployments of "api" to production are reported:
      | deployment | commit  | started              | finished             | outcome |
      | one        | start   | 2026-03-02T09:00:00Z | 2026-03-02T09:30:00Z | success |
      | slow       | basket  | 2026-03-02T12:00:00Z | 2026-03-02T14:00:00Z | success |
      | quick      | payment | 2026-03-02T12:30:00Z | 2026-03-02T13:00:00Z | success |
    Then change "basket" belongs to deployment "quick"
    But under "devlake-2023" pull request "12" belongs to deployment "slow"
