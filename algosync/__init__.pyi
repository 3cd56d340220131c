from algosync.personalizer.awaited import AsyncPersonalizer as AsyncPersonalizer
from algosync.personalizer.blocking import Personalizer as Personalizer

__version__: str
