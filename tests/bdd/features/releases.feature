Feature: A repository's releases become delivery metrics
  An engineering lead points Fawkes at a repository that has been tagged for releases, and reads how the
  team delivers, with nothing else to set up.

  Scenario: Import a repository and read its metrics
    Given a git repository "shop" with these commits:
      | commit  | authored             |
      | start   | 2026-03-02T09:00:00Z |
      | basket  | 2026-03-02T10:00:00Z |
      | payment | 2026-03-03T10:00:00Z |
      | receipt | 2026-03-04T10:00:00Z |
    And these tags in it:
      | tag    | commit  | tagged               |
      | v1.0.0 | start   | 2026-03-02T09:30:00Z |
      | v1.1.0 | basket  | 2026-03-02T12:00:00Z |
      | v1.2.0 | receipt | 2026-03-04T12:00:00Z |
    When the repository is imported into project "shop" as service "shop", each tag "v*" a deployment
    Then project "shop" has 3 deployments
    And the first of them is a baseline, whose commits have no lead time
    And the median change lead time is 2 hours over 3 changes
    And behind that number stand the commits "basket", "payment" and "receipt"

  Scenario: Importing once more adds nothing
    Given a git repository "shop" with these commits:
      | commit | authored             |
      | start  | 2026-03-02T09:00:00Z |
      | basket | 2026-03-02T10:00:00Z |
    And these tags in it:
      | tag    | commit | tagged               |
      | v1.0.0 | start  | 2026-03-02T09:30:00Z |
      | v1.1.0 | basket | 2026-03-02T12:00:00Z |
    When the repository is imported into project "shop" as service "shop", each tag "v*" a deployment
    And the repository is imported into project "shop" as service "shop", each tag "v*" a deployment
    Then project "shop" has 2 deployments
    And the median change lead time is 2 hours over 1 change
