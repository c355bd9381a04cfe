"""The application of measures that care how much a task carries."""

from fcs import App

app = App()


@app.task
async def carry(text: str) -> None:
    """Take the text and do nothing."""
