# ruff: noqa: E501 - a format a line is a table
"""Files as vendors and programs write them, all of the same bars: each is read back equal, or refused with a reason."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.data.bars import Bars
from barwise.data.files import load

DAYS = pd.bdate_range("2023-12-04", periods=45)
HOURS = pd.date_range("2024-03-04 00:00", periods=72, freq="h")


def market(times: pd.DatetimeIndex, decimals: int = 2, level: float = 100.0) -> pd.DataFrame:
    """Bars that are what bars are; `time` is local or UTC, as the case has it."""
    random = np.random.default_rng(3)
    close = np.round(level * np.exp(np.cumsum(random.normal(0, 0.01, len(times)))), decimals)
    open_ = np.round(np.append(level, close[:-1]) * (1 + random.normal(0, 0.001, len(times))), decimals)
    high = np.round(
        np.maximum(open_, close) * (1 + np.abs(random.normal(0, 0.004, len(times)))) + 10.0**-decimals, decimals
    )
    low = np.round(
        np.minimum(open_, close) * (1 - np.abs(random.normal(0, 0.004, len(times)))) - 10.0**-decimals, decimals
    )
    columns = {
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "volume": random.integers(10_000, 999_999, len(times)),
    }
    return pd.DataFrame({"time": times, **columns})


DAILY, HOURLY, INDEX = market(DAYS), market(HOURS, 4, 1.1), market(DAYS, 2, 1000.0)


def lines(table: pd.DataFrame, row: Callable[[pd.Series], str], head: str = "", foot: str = "") -> str:
    body = "\n".join(row(r) for _, r in table.iterrows())
    return (head + "\n" if head else "") + body + "\n" + foot


def de(value: float, decimals: int = 2) -> str:
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def us(value: float, decimals: int = 2) -> str:
    return f"{value:,.{decimals}f}"


def ohlc(r: pd.Series, sep: str = ",", order: str = "open high low close volume") -> str:
    return sep.join(f"{r[name]:g}" if name != "volume" else str(r[name]) for name in order.split())


D, H, I = DAILY, HOURLY, INDEX
ISO, EPOCH = (lambda r: str(r.time)[:10]), (lambda r, unit=1: int(r.time.timestamp() * unit))
TEXTS: dict[str, tuple[pd.DataFrame, str, str]] = {
    # name: (the bars, the name of the file, its text)
    "yahoo, old": (D, "AAPL.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r, order='open high low close')},{r.close},{r.volume}", "Date,Open,High,Low,Close,Adj Close,Volume")),
    "stooq daily": (D, "aapl.us.txt", lines(D, lambda r: f"AAPL.US,D,{r.time:%Y%m%d},000000,{ohlc(r)},0", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>")),
    "stooq hourly": (H, "eurusd.txt", lines(H, lambda r: f"EURUSD,60,{r.time:%Y%m%d},{r.time:%H%M%S},{ohlc(r)},0", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>")),
    "stooq, polish": (D, "zqx_d.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r)}", "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen")),
    "mt4": (H, "EURUSD60.csv", lines(H, lambda r: f"{r.time:%Y.%m.%d,%H:%M},{ohlc(r)}")),
    "mt5": (H, "EURUSD_H1.csv", lines(H, lambda r: f"{r.time:%Y.%m.%d\t%H:%M:%S}\t{ohlc(r, chr(9), 'open high low close')}\t{r.volume}\t0\t3", "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>")),
    "histdata ascii": (H, "DAT_ASCII_EURUSD_M1_2024.csv", lines(H, lambda r: f"{r.time:%Y%m%d %H%M%S};{ohlc(r, ';')}")),
    "histdata metatrader": (H, "DAT_MT_EURUSD_M1_2024.csv", lines(H, lambda r: f"{r.time:%Y.%m.%d,%H:%M},{ohlc(r)}")),
    "binance klines": (H, "BTCUSDT-1h-2024-03.csv", lines(H, lambda r: f"{EPOCH(r, 1000)},{ohlc(r)},{EPOCH(r, 1000) + 3599999},12.5,100,3.5,4.5,0")),
    "binance in µs": (H, "BTCUSDT.csv", lines(H, lambda r: f"{EPOCH(r, 1_000_000)},{ohlc(r)},{EPOCH(r, 1_000_000) + 3599999999},12.5,100,3.5,4.5,0", "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore")),
    "kraken": (H, "XBTUSD_60.csv", lines(H, lambda r: f"{EPOCH(r)},{ohlc(r)},17")),
    "cryptodatadownload": (H, "Binance_BTCUSDT_1h.csv", lines(H[::-1], lambda r: f"{EPOCH(r, 1000)},{r.time:%Y-%m-%d %H:%M:%S},BTCUSDT,{ohlc(r)},5.5,17", "https://www.CryptoDataDownload.com\nUnix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount")),
    "cryptodatadownload, am and pm": (H, "Gdax_BTCUSD_1h.csv", lines(H[::-1], lambda r: f"{r.time:%Y-%m-%d %I-%p},BTCUSD,{ohlc(r)},5.5", "Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD")),
    "alpha vantage": (D, "IBM.csv", lines(D[::-1], lambda r: f"{ISO(r)},{ohlc(r)}", "timestamp,open,high,low,close,volume")),
    "tradingview": (H, "OANDA_EURUSD, 60.csv", lines(H, lambda r: f"{EPOCH(r)},{ohlc(r)},1.5,2.5", "time,open,high,low,close,Volume,MA,Plot")),
    "tradingview, iso": (D, "SP.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r)}", "time,open,high,low,close,Volume")),
    "investing": (I, "US 500 Historical Data.csv", lines(I[::-1], lambda r: f'"{r.time:%m/%d/%Y}","{us(r.close)}","{us(r.open)}","{us(r.high)}","{us(r.low)}","{r.volume / 1e3:.3f}K","0.12%"', '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"')),
    "investing, german": (I, "DAX.csv", lines(I[::-1], lambda r: f'"{r.time:%d.%m.%Y}","{de(r.close)}","{de(r.open)}","{de(r.high)}","{de(r.low)}","{de(r.volume / 1e3, 3)}K","0,12%"', '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"')),
    "investing, chinese": (I, "SSE.csv", lines(I[::-1], lambda r: f'"{r.time.year}年{r.time.month}月{r.time.day}日","{us(r.close)}","{us(r.open)}","{us(r.high)}","{us(r.low)}","{r.volume / 1e3:.3f}K","0.12%"', '"日期","收盘","开盘","高","低","交易量","涨跌幅"')),
    "nasdaq": (D, "HistoricalData_1.csv", lines(D[::-1], lambda r: f"{r.time:%m/%d/%Y},${r.close:.2f},{r.volume},${r.open:.2f},${r.high:.2f},${r.low:.2f}", "Date,Close/Last,Volume,Open,High,Low")),
    "wsj": (D, "HistoricalPrices.csv", lines(D[::-1], lambda r: f"{r.time:%m/%d/%y}, {ohlc(r, ', ')}", "Date, Open, High, Low, Close, Volume")),
    "marketwatch": (I, "Download Data.csv", lines(I[::-1], lambda r: f'{r.time:%m/%d/%Y},"{us(r.open)}","{us(r.high)}","{us(r.low)}","{us(r.close)}","{r.volume:,}"', "Date,Open,High,Low,Close,Volume")),
    "barchart": (D, "zqx_daily.csv", lines(D[::-1], lambda r: f"ZQX,{r.time:%m/%d/%Y},{ohlc(r, order='open high low close')},0.5,0.1%,{r.volume}", "Symbol,Time,Open,High,Low,Last,Change,%Chg,Volume", '"Downloaded from Barchart.com as of 03-01-2024 05:00pm CST"\n')),
    "google finance": (D, "GOOGL.csv", lines(D, lambda r: f"{r.time.month}/{r.time.day}/{r.time.year} 16:00:00,{ohlc(r)}", "Date,Open,High,Low,Close,Volume")),
    "firstrate": (H, "SPY_1hour.txt", lines(H, lambda r: f"{r.time},{ohlc(r)}")),
    "kibot": (H, "SPY.txt", lines(H, lambda r: f"{r.time:%m/%d/%Y,%H:%M},{ohlc(r)}")),
    "ninjatrader": (H, "ES 03-24.Last.txt", lines(H, lambda r: f"{r.time:%Y%m%d %H%M%S};{ohlc(r, ';')}")),
    "tradestation": (H, "ES.txt", lines(H, lambda r: f"{r.time:%m/%d/%Y,%H:%M},{ohlc(r, order='open high low close')},{r.volume},0", '"Date","Time","Open","High","Low","Close","Up","Down"')),
    "sierra chart": (H, "ESH24.txt", lines(H, lambda r: f"{r.time.year}/{r.time.month}/{r.time.day}, {r.time:%H:%M:%S.%f}, {ohlc(r, ', ')}, 5, 6, 7", "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume")),
    "ibkr, api": (H, "AAPL.csv", lines(H, lambda r: f"{r.time:%Y%m%d  %H:%M:%S},{ohlc(r)},1.5,9", "date,open,high,low,close,volume,average,barCount")),
    "ibkr, zone": (H, "IBM.csv", lines(H, lambda r: f"{r.time:%Y%m%d %H:%M:%S} UTC,{ohlc(r)}", "date,open,high,low,close,volume")),
    "dukascopy": (H, "EURUSD_Candlestick_1_Hour_BID.csv", lines(H, lambda r: f"{r.time:%d.%m.%Y %H:%M:%S}.000,{ohlc(r)}", "Gmt time,Open,High,Low,Close,Volume")),
    "dukascopy, local": (H, "EURUSD_local.csv", lines(H, lambda r: f"{r.time + pd.Timedelta('1h'):%d.%m.%Y %H:%M:%S}.000 GMT+0100,{ohlc(r)}", "Local time,Open,High,Low,Close,Volume")),
    "forexite": (H, "EURUSD.txt", lines(H, lambda r: f"EURUSD,{r.time:%Y%m%d,%H%M%S},{ohlc(r, order='open high low close')}", "<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>")),
    "metastock": (D, "ZQX.txt", lines(D, lambda r: f"ZQX,D,{r.time:%Y%m%d},{ohlc(r)},0", "<ticker>,<per>,<date>,<open>,<high>,<low>,<close>,<vol>,<o/i>")),
    "finam": (H, "SBER_240304.txt", lines(H, lambda r: f"SBER;60;{r.time:%Y%m%d;%H%M%S};{ohlc(r, ';')}", "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>")),
    "kaggle, all stocks": (D, "all_stocks_5yr.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r)},AAL", "date,open,high,low,close,volume,Name")),
    "kaggle, bitcoin": (H, "bitstampUSD.csv", lines(H, lambda r: f"{EPOCH(r)},{ohlc(r)},9.5,1.1", "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price")),
    "quandl": (D, "WIKI-AAPL.csv", lines(D[::-1], lambda r: f"{ISO(r)},{ohlc(r)},0.0,1.0,{r.open},{r.high},{r.low},{r.close},{r.volume}", "Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,Adj. Volume")),
    "sharadar": (D, "SEP.csv", lines(D, lambda r: f"ZQX,{ISO(r)},{ohlc(r)},{r.close},{r.close},2024-03-01", "ticker,date,open,high,low,close,volume,closeadj,closeunadj,lastupdated")),
    "tiingo": (D, "ZQX.csv", lines(D, lambda r: f"{ISO(r)},{r.close},{r.high},{r.low},{r.open},{r.volume},{r.close},{r.high},{r.low},{r.open},{r.volume},0.0,1.0", "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor")),
    "eodhd": (D, "ZQX.US.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r, order='open high low close')},{r.close},{r.volume}", "Date,Open,High,Low,Close,Adjusted_close,Volume", f"{len(D)}\n")),
    "polygon flat files": (H, "2024-03-04.csv", lines(H, lambda r: f"AAPL,{r.volume},{r.open:g},{r.close:g},{r.high:g},{r.low:g},{EPOCH(r, 10**9)},55", "ticker,volume,open,close,high,low,window_start,transactions")),
    "alpaca": (H, "AAPL.csv", lines(H, lambda r: f"AAPL,{r.time:%Y-%m-%d %H:%M:%S}+00:00,{ohlc(r)},55.0,1.5", "symbol,timestamp,open,high,low,close,volume,trade_count,vwap")),
    "databento, dates": (H, "GLBX.csv", lines(H, lambda r: f"{r.time:%Y-%m-%dT%H:%M:%S}.000000000Z,34,1,5602,{ohlc(r)},ESH4", "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol")),
    "coinapi": (H, "coin.csv", lines(H, lambda r: f"{r.time:%Y-%m-%dT%H:%M:%S}.0000000Z;{r.time + pd.Timedelta('1h'):%Y-%m-%dT%H:%M:%S}.0000000Z;{r.time:%Y-%m-%dT%H:%M:%S}.1230000Z;{r.time:%Y-%m-%dT%H:%M:%S}.9230000Z;{ohlc(r, ';')};55", "time_period_start;time_period_end;time_open;time_close;price_open;price_high;price_low;price_close;volume_traded;trades_count")),
    "coinmarketcap": (D, "Bitcoin.csv", lines(D[::-1], lambda r: f'"{r.time:%Y-%m-%d}T00:00:00.000Z";"{r.time:%Y-%m-%d}T23:59:59.999Z";"{r.time:%Y-%m-%d}T08:59:59.999Z";"{r.time:%Y-%m-%d}T13:59:59.999Z";{ohlc(r, ";")};5;"{r.time:%Y-%m-%d}T23:59:59.999Z"', "timeOpen;timeClose;timeHigh;timeLow;open;high;low;close;volume;marketCap;timestamp")),
    "crsp": (D, "crsp.csv", lines(D, lambda r: f"14593,{r.time:%Y%m%d},AAPL,{r.low},{r.high},{r.close},{r.volume},0.01,{r.open}", "PERMNO,date,TICKER,BIDLO,ASKHI,PRC,VOL,RET,OPENPRC")),
    "bloomberg": (D, "bbg.csv", lines(D, lambda r: f"{r.time:%m/%d/%Y},{ohlc(r)}", "Security,ZQX US Equity\nStart Date,12/04/2023\n\nDate,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME")),
    "akshare": (D, "sh.csv", lines(D, lambda r: f"{ISO(r)},600000,{r.open},{r.close},{r.high},{r.low},{r.volume},1000.0,0.5", "日期,股票代码,开盘,收盘,最高,最低,成交量,成交额,换手率")),
    "tushare": (D, "pro.csv", lines(D[::-1], lambda r: f"600000.SH,{r.time:%Y%m%d},{ohlc(r, order='open high low close')},{r.close},0.1,0.2,{r.volume},10.5", "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount")),
    "baostock": (D, "bs.csv", lines(D, lambda r: f"{ISO(r)},sh.600000,{ohlc(r)},100,3", "date,code,open,high,low,close,volume,amount,adjustflag")),
    "b3": (D, "b3.csv", lines(D, lambda r: f"{ISO(r)};PETR4;{r.open};{r.low};{r.high};{r.close};{r.volume}".replace(".", ","), "RptDt;TckrSymb;FrstPric;MinPric;MaxPric;LastPric;FinInstrmQty")),
    "nse india": (D, "nse.csv", lines(D[::-1], lambda r: f'"{r.time:%d-%b-%Y}","EQ","{us(r.open)}","{us(r.high)}","{us(r.low)}","{us(r.close)}","{us(r.close)}","{us(r.close)}","1.0","2.0","{r.volume:,}"', '"Date ","series ","OPEN ","HIGH ","LOW ","PREV. CLOSE ","ltp ","close ","52W H ","52W L ","VOLUME "')),
    "japanese": (D, "7203.csv", lines(D, lambda r: f"{r.time:%Y/%m/%d},{ohlc(r)},{r.close}", "日付,始値,高値,安値,終値,出来高,調整後終値")),
    "korean": (D, "005930.csv", lines(D[::-1], lambda r: f"{r.time:%Y/%m/%d},{ohlc(r)}", "일자,시가,고가,저가,종가,거래량")),
    "excel, german": (I, "dax.csv", lines(I, lambda r: f"{r.time:%d.%m.%Y};{de(r.open)};{de(r.high)};{de(r.low)};{de(r.close)};{f'{r.volume:,}'.replace(',', '.')}", "Datum;Eröffnung;Hoch;Tief;Schlusskurs;Volumen")),
    "excel, french": (I, "cac.csv", lines(I, lambda r: f"{r.time:%d/%m/%Y};{us(r.open).replace(',', chr(0x202f)).replace('.', ',')};{us(r.high).replace(',', chr(0x202f)).replace('.', ',')};{us(r.low).replace(',', chr(0x202f)).replace('.', ',')};{us(r.close).replace(',', chr(0x202f)).replace('.', ',')};{r.volume}", "Date;Ouverture;Plus haut;Plus bas;Clôture;Volume")),
    "abc bourse": (D, "abc.txt", lines(D, lambda r: f"FR0000120271;{r.time:%d/%m/%y};{ohlc(r, ';')}")),
    "swiss": (I, "smi.csv", lines(I, lambda r: f"{r.time:%d.%m.%Y};{us(r.open).replace(',', chr(39))};{us(r.high).replace(',', chr(39))};{us(r.low).replace(',', chr(39))};{us(r.close).replace(',', chr(39))};{r.volume}", "Datum;Open;High;Low;Close;Volume")),
    "spanish": (D, "ibex.csv", lines(D, lambda r: f"{r.time:%d/%m/%Y};{ohlc(r, ';').replace('.', ',')}", "Fecha;Apertura;Máximo;Mínimo;Cierre;Volumen")),
    "russian": (D, "moex.csv", lines(D, lambda r: f"{r.time:%d.%m.%Y};{ohlc(r, ';')}", "Дата;Открытие;Максимум;Минимум;Закрытие;Объём")),
    "r, with row names": (D, "r.csv", lines(D, lambda r: f'"{ISO(r)}",{ohlc(r)}', '"ZQX.Open","ZQX.High","ZQX.Low","ZQX.Close","ZQX.Volume"')),
    "quantmod, with an index": (D, "zoo.csv", lines(D, lambda r: f'"{ISO(r)}",{ohlc(r)}', '"Index","ZQX.Open","ZQX.High","ZQX.Low","ZQX.Close","ZQX.Volume"')),
    "pandas, row numbers": (D, "df.csv", D.rename(columns={"time": "Date"}).to_csv()),
    "spaces": (D, "fixed.txt", lines(D, lambda r: f"{ISO(r)}   {r.open:10.2f} {r.high:10.2f} {r.low:10.2f} {r.close:10.2f} {r.volume:10d}", "Date            Open       High        Low      Close     Volume")),
    "pipes": (D, "pipes.csv", lines(D, lambda r: f"{ISO(r)}|{ohlc(r, '|')}", "date|open|high|low|close|volume")),
    "trailing comma": (D, "comma.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r)},", "date,open,high,low,close,volume")),
    "trailing comma in both": (D, "commas.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r)},", "date,open,high,low,close,volume,")),
    "year, month, day": (D, "ymd.csv", lines(D, lambda r: f"{r.time.year},{r.time.month},{r.time.day},{ohlc(r)}", "Year,Month,Day,Open,High,Low,Close,Volume")),
    "quoted all": (D, "quoted.csv", lines(D, lambda r: f'"{ISO(r)}","{ohlc(r, chr(34) + "," + chr(34))}"', '"date","open","high","low","close","volume"')),
    "units below the names": (D, "units.csv", lines(D, lambda r: f"{ISO(r)},{ohlc(r)}", "Date,Open,High,Low,Close,Volume\n,USD,USD,USD,USD,shares")),
    "refinitiv": (D, "ric.csv", lines(D, lambda r: f"VOD.L,Market Price,{r.time:%Y-%m-%d}T00:00:00Z,Intraday 1Day,{ohlc(r, order='open high low close volume')}", "#RIC,Domain,Date-Time,Type,Open,High,Low,Last,Volume")),
    "sas dates": (D, "sas.csv", lines(D, lambda r: f"{r.time:%d%b%Y},{ohlc(r)}".upper(), "date,open,high,low,close,vol")),
    "javascript dates": (D, "js.csv", lines(D, lambda r: f"{r.time:%a %b %d %Y} 00:00:00 GMT+0000 (Coordinated Universal Time),{ohlc(r)}", "date,open,high,low,close,volume")),
    "excel serials with a clock": (H, "serial.csv", lines(H, lambda r: f"{(r.time - pd.Timestamp('1899-12-30')) / pd.Timedelta('1D'):.9f},{ohlc(r)}", "Date,Open,High,Low,Close,Volume")),
    "seconds in scientific notation": (H, "sci.csv", lines(H, lambda r: f"{EPOCH(r):.9e},{ohlc(r)}", "ts,open,high,low,close,volume")),
    "am and pm": (H, "ampm.csv", lines(H, lambda r: f"{r.time:%m/%d/%Y %I:%M %p},{ohlc(r)}", "Date,Open,High,Low,Close,Volume")),
    "month names": (D, "names.csv", lines(D, lambda r: f'"{r.time:%b %d, %Y}",{ohlc(r)}', "Date,Open,High,Low,Close,Volume")),
}  # fmt: skip
SYMBOLS = {"stooq daily": "AAPL.US", "finam": "SBER", "tushare": "600000.SH", "b3": "PETR4", "kaggle, all stocks": "AAL",
           "crsp": "AAPL", "refinitiv": "VOD.L", "polygon flat files": "AAPL", "abc bourse": "FR0000120271",
           "r, with row names": "ZQX", "mt4": "EURUSD60", "akshare": "600000", "sharadar": "ZQX"}  # fmt: skip


def same(bars: Bars, table: pd.DataFrame) -> None:
    assert bars.time.astype("datetime64[s]").tolist() == table["time"].to_numpy("datetime64[s]").tolist()
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(getattr(bars, name), table[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", TEXTS)
def test_a_vendors_file_is_read_back_equal(tmp_path: Path, case: str):
    table, name, text = TEXTS[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = load(str(tmp_path / name))
    assert len(found.bars) == 1, found.symbols
    same(found.bars[0], table)
    if case not in ("tradestation", "forexite"):
        np.testing.assert_allclose(found.bars[0].volume, table["volume"], rtol=1e-9)
    assert found.symbols[0] == SYMBOLS.get(case, found.symbols[0])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_of_unicode(tmp_path: Path, encoding: str):
    (tmp_path / "A.csv").write_bytes(TEXTS["japanese"][2].encode(encoding))
    same(load(str(tmp_path / "A.csv")).bars[0], D)


@pytest.mark.parametrize(
    ("case", "encoding"),
    [("akshare", "gbk"), ("akshare", "gb18030"), ("japanese", "cp932"), ("korean", "cp949"), ("excel, german", "cp1252"),
     ("russian", "cp1251"), ("investing, chinese", "gbk"), ("spanish", "latin-1")],
)  # fmt: skip
def test_encodings_of_a_country(tmp_path: Path, case: str, encoding: str):
    table, _, text = TEXTS[case]
    (tmp_path / "A.csv").write_bytes(text.encode(encoding))
    found = load(str(tmp_path / "A.csv"))
    same(found.bars[0], table)
    assert any("read as" in note for note in found.facts["notes"])


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{"t": int(r.time.timestamp() * 1000), "o": r.open, "h": r.high, "l": r.low, "c": r.close, "v": int(r.volume)}
            for _, r in table.iterrows()]  # fmt: skip


H_ROWS = [[int(r.time.timestamp() * 1000), r.open, r.high, r.low, r.close, int(r.volume)] for _, r in H.iterrows()]
DOCUMENTS: dict[str, object] = {
    "freqtrade": H_ROWS,
    "binance": [[t, *map(str, rest[:4]), str(rest[4]), t + 3599999, "5.5", 9, "1.5", "2.5", "0"] for t, *rest in H_ROWS],
    "polygon": {"ticker": "AAPL", "queryCount": 72, "results": records(H), "status": "OK"},
    "alpaca": {"bars": [{**row, "n": 5} for row in records(H)], "symbol": "AAPL", "next_page_token": None},
    "yahoo": {"chart": {"result": [{"meta": {"symbol": "AAPL"}, "timestamp": [t // 1000 for t, *_ in H_ROWS],
              "indicators": {"quote": [{"open": H.open.tolist(), "high": H.high.tolist(), "low": H.low.tolist(),
                                        "close": H.close.tolist(), "volume": H.volume.tolist()}]}}], "error": None}},
    "alpha vantage": {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (60min)": {
        str(r.time): {"1. open": str(r.open), "2. high": str(r.high), "3. low": str(r.low), "4. close": str(r.close),
                      "5. volume": str(r.volume)} for _, r in H[::-1].iterrows()}},
    "twelvedata": {"meta": {"symbol": "AAPL"}, "values": [
        {"datetime": str(r.time), "open": str(r.open), "high": str(r.high), "low": str(r.low), "close": str(r.close),
         "volume": str(r.volume)} for _, r in H[::-1].iterrows()], "status": "ok"},
    "finnhub": {"s": "ok", "t": [t // 1000 for t, *_ in H_ROWS], "o": H.open.tolist(), "h": H.high.tolist(),
                "l": H.low.tolist(), "c": H.close.tolist(), "v": H.volume.tolist()},
    "okx": {"code": "0", "data": [[str(t), *map(str, rest), "1", "2", "1"] for t, *rest in H_ROWS[::-1]]},
    "kraken": {"error": [], "result": {"XXBTZUSD": [[t // 1000, *map(str, rest[:4]), "1.5", str(rest[4]), 5]
                                                    for t, *rest in H_ROWS], "last": 5}},
}  # fmt: skip


@pytest.mark.parametrize("case", [*DOCUMENTS, "records", "columns", "index", "split", "lines"])
def test_json_of_services_and_of_pandas(tmp_path: Path, case: str):
    if case in DOCUMENTS:
        (tmp_path / "A.json").write_text(json.dumps(DOCUMENTS[case]))
    else:
        how = {"orient": "records", "lines": True} if case == "lines" else {"orient": case}
        table = H.set_index("time") if case in ("index", "split", "columns") else H
        table.to_json(tmp_path / "A.json", date_format="iso" if case != "columns" else "epoch", date_unit="ms", **how)
    same(load(str(tmp_path / "A.json")).bars[0], H)


def test_several_services_answers_side_by_side(tmp_path: Path):
    (tmp_path / "AAA.json").write_text(json.dumps(DOCUMENTS["freqtrade"]))
    H.to_feather(tmp_path / "BBB.feather")
    (tmp_path / "CCC.csv.gz").write_bytes(gzip.compress(TEXTS["kraken"][2].encode()))
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("DDD.csv", TEXTS["binance klines"][2])
        archive.writestr("deep/EEE.txt", TEXTS["firstrate"][2])
        archive.writestr("__MACOSX/._EEE.txt", "x")
    (tmp_path / "README.txt").write_text("What these files are.\n")
    (tmp_path / "notes.md").write_text("hello")
    found = load(str(tmp_path), timezone="UTC")
    assert found.symbols == ("AAA", "BBB", "CCC", "DDD", "EEE")
    said = " ".join(found.facts["warnings"])
    assert "README.txt passed over" in said and "notes.md passed over" in said


def test_the_euro_sign_of_windows_is_no_chinese(tmp_path: Path):
    text = lines(
        D,
        lambda r: f"{ISO(r)},€ {r.open:.2f},€ {r.high:.2f},€ {r.low:.2f},€ {r.close:.2f},{r.volume}",
        "Date,Open,High,Low,Close,Volume",
    )
    (tmp_path / "A.csv").write_bytes(text.encode("cp1252"))
    same(load(str(tmp_path / "A.csv")).bars[0], D)
