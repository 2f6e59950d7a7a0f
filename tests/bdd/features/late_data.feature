Feature: Data that arrives late or twice
  Sources report in any order and repeat themselves. The metrics are those of what happened, not of what arrived when.

  Background:
    Given project "shop" with service "api" from repository "https://git.example/shop.git"

  Scenario: Commits that arrive after their deployment complete it
    Given these deployments of "api" to production are reported:
      | deployment | commit | finished             | outcome |
      | one        | start  | 2026-03-02T09:30:00Z | success |
      | two        | basket | 2026-03-02T12:00:00Z | success |
    Then the change lead time is unknown, with a reason
    When these commits are reported:
      | commit | parent | authored             |
      | start  |        | 2026-03-02T09:00:00Z |
      | basket | start  | 2026-03-02T10:00:00Z |
    Then the median change lead time is 2 hours over 1 change
    And change "basket" belongs to deployment "two"

  Scenario: A redelivery changes nothing
    Given GitHub is connected to project "shop"
    And GitHub delivers a finished deployment of "api" to production, of commit "start", as delivery "d-1"
    When GitHub delivers the very same delivery "d-1" again
    Then GitHub gets the same answer both times
    And project "shop" has 1 deployment

  Scenario: A delivery with a wrong signature stores nothing
    Given GitHub is connected to project "shop"
    When a stranger delivers a finished deployment of "api" to production, of commit "start", as delivery "d-2"
    Then the delivery is refused
    And project "shop" has 0 deployments
