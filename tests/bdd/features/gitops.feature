Feature: Deployments by GitOps
  Argo CD deploys from a repository of manifests. What runs is an image, and the image tells the commit: the revision of
  the manifests is nobody's change.

  Background:
    Given project "shop" with service "api" from repository "https://git.example/shop.git"
    And Argo CD is connected to project "shop"
    And these commits are reported:
      | commit | parent | authored             |
      | start  |        | 2026-03-02T09:00:00Z |
      | basket | start  | 2026-03-02T10:00:00Z |

  Scenario: An image leads to the commit that it was made from
    Given the pipeline has made image "one" from commit "start"
    And the pipeline has made image "two" from commit "basket"
    When Argo CD brings image "one" of "api" to production, from 2026-03-02T09:30:00Z to 2026-03-02T09:31:00Z
    And Argo CD brings image "two" of "api" to production, from 2026-03-02T11:59:00Z to 2026-03-02T12:00:00Z
    Then the median change lead time is 2 hours over 1 change
    And no deployment is of the manifests' commit

  Scenario: An image whose commit nobody knows brings no change
    When Argo CD brings image "one" of "api" to production, from 2026-03-02T09:30:00Z to 2026-03-02T09:31:00Z
    Then project "shop" has 1 deployment
    And the change lead time is unknown, with a reason
    And no deployment is of the manifests' commit

  Scenario: An operation that is reported again is one deployment
    Given the pipeline has made image "one" from commit "start"
    When Argo CD brings image "one" of "api" to production, from 2026-03-02T09:30:00Z to 2026-03-02T09:31:00Z
    And Argo CD brings image "one" of "api" to production, from 2026-03-02T09:30:00Z to 2026-03-02T09:31:00Z
    Then project "shop" has 1 deployment
