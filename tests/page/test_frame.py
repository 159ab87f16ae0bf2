"""The frame of the page: its files, its policy, and its addresses."""

from playwright.sync_api import Page, expect

from tests.page.conftest import picture


def test_every_address_shows_its_view(page: Page) -> None:
    for name, heading in [("Jobs", "jobs"), ("New job", "new"), ("Data", "data")]:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.locator("#main .view[data-ready]")).to_be_visible()
    picture(page, "frame")
