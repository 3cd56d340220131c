from algosync.runtime.personalizers import AsyncPersonalizer as AsyncPersonalizer
from algosync.runtime.personalizers import Personalizer as Personalizer

__version__: str
